//! INI files, which the tools of some clouds are configured with.

use std::collections::BTreeMap;

/// One section: its names and values. A value may be a secret, so don't show it.
pub type Section = BTreeMap<String, String>;

/// The sections of an INI file by their names. A name, in lower case, and its value are separated
/// by `=` or `:`; lines that begin with `#` or `;` or are indented, which continue a value, values
/// that are empty, and what is before the first section don't count.
pub fn parse(text: &str) -> BTreeMap<String, Section> {
    let mut sections = BTreeMap::<String, Section>::new();
    let mut current = None;
    for line in text.trim_start_matches('\u{feff}').lines() {
        if let Some(header) = line.strip_prefix('[') {
            let name = header.split(']').next().unwrap_or_default().trim();
            current = Some(sections.entry(name.to_owned()).or_default());
        } else if let (Some(section), Some((name, value))) =
            (&mut current, line.split_once(['=', ':']))
            && !line.starts_with(['#', ';', ' ', '\t'])
            && !value.trim().is_empty()
        {
            section.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_belong_to_their_section() {
        let sections = parse(
            "\u{feff}before = 1\n[a]\n# name = no\n; name = no\nName = x = y\nempty =\n  name = nested\n\n[b]\nname: v\nnothing\n",
        );
        let of = |section: &str| sections.get(section).cloned().unwrap_or_default();
        let pair = |value: &str| Section::from([("name".to_owned(), value.to_owned())]);
        assert_eq!((of("a"), of("b")), (pair("x = y"), pair("v")));
        assert_eq!(sections.len(), 2);
    }
}
