//! Bash, which splits words at `=` and `:` and completes the last part.

use std::fmt::Write as _;

/// The generated script with a wrapper function that joins the parts of words before completion and
/// splits the replies after it.
pub(super) fn script(generated: &str) -> String {
    let mut kinds = String::new();
    for (option, words) in super::kinds()
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
    {
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                if option == "--file" {
                    format!("{word}:")
                } else {
                    (*word).to_owned()
                }
            })
            .collect();
        let _ = writeln!(kinds, "        {option}) kinds=\"{}\" ;;", words.join(" "));
    }
    let wrapper = WRAPPER.replace("        KINDS\n", &kinds);
    match generated.find("\nif [[ \"${BASH_VERSINFO[0]}\" -eq 4") {
        Some(end) => format!(
            "{}{wrapper}{}",
            &generated[..end],
            generated[end..].replace(
                "complete -F _discover ",
                "complete -F _discover_whole_words "
            )
        ),
        None => generated.to_owned(),
    }
}

const WRAPPER: &str = r#"
# Completes words that have `=` and `:` in them, where bash takes words apart.
_discover_whole_words() {
    local IFS=$' \t\n' line="${COMP_LINE:0:COMP_POINT}" kinds="" kept="" reply
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local last=$((${#words[@]} - 1))
    # An option and its value are two words.
    if [[ ${words[last]} == --*=* ]]; then
        kept="${words[last]%%=*}="
        words=("${words[@]:0:last}" "${words[last]%%=*}" "${words[last]#*=}")
        last=$((last + 1))
    fi
    local COMP_CWORD=$last cur="${words[last]}" prev="${words[last - 1]}"
    local COMP_WORDS=("${words[@]}")
    case "$prev" in
        KINDS
    esac
    COMPREPLY=()
    if [[ -n $kinds && $cur == *:* && $prev == --file ]]; then
        compopt -o filenames
        while IFS= read -r reply; do COMPREPLY+=("${cur%%:*}:$reply"); done < <(compgen -f -- "${cur#*:}")
    elif [[ -n $kinds ]]; then
        while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -W "$kinds" -- "$cur")
        compopt +o default +o bashdefault
    elif [[ $cur == @* ]]; then
        compopt -o filenames
        while IFS= read -r reply; do COMPREPLY+=("@$reply"); done < <(compgen -f -- "${cur#@}")
    else
        _discover "$1" "$cur" "$prev"
    fi
    local open=1
    for reply in "${COMPREPLY[@]}"; do
        [[ $reply == *[=:.] ]] || open=0
    done
    ((open)) && compopt -o nospace
    # What bash completes is the piece after the last place where it takes words apart.
    local whole="$kept$cur" pieces=""
    [[ $COMP_WORDBREAKS == *=* ]] && pieces+="="
    [[ $COMP_WORDBREAKS == *:* ]] && pieces+=":"
    if [[ -n $pieces ]]; then
        local before="${whole%"${whole##*["$pieces"]}"}"
        before="${before#"$kept"}"
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
"#;
