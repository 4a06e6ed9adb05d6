//! A result as a Mermaid flowchart: parents -> node -> address. An excluded node has a dashed arrow
//! to its reason instead of an address.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cloud_autojoin::escape::{is_terminal_control, printable};
use cloud_autojoin::{Discovery, Node};

/// The flowchart. Repeated elements are drawn once.
pub(super) fn of(discoveries: &[&Discovery]) -> String {
    let mut picture = Picture::default();
    for node in discoveries.iter().flat_map(|discovery| discovery.nodes()) {
        picture.draw(node);
    }
    let mut text: String = discoveries
        .iter()
        .map(|discovery| format!("%% {}\n", printable(discovery.subject())))
        .collect();
    text.push_str("flowchart LR\n");
    for (index, (shape, label)) in picture.things.iter().enumerate() {
        let (open, close) = shape.brackets();
        let _ = writeln!(text, "  n{index}{open}\"{}\"{close}", escaped(label));
    }
    for (from, to, is_match) in &picture.arrows {
        let _ = writeln!(
            text,
            "  n{from} {} n{to}",
            if *is_match { "-->" } else { "-.->" }
        );
    }
    text
}

/// The outline of an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// A parent of a parent.
    Group,
    /// What the node is part of.
    Parent,
    Node,
    Address,
    Reason,
}

impl Shape {
    fn brackets(self) -> (&'static str, &'static str) {
        match self {
            Self::Group => ("[[", "]]"),
            Self::Parent => ("[", "]"),
            Self::Node => ("(", ")"),
            Self::Address => ("([", "])"),
            Self::Reason => (">", "]"),
        }
    }
}

#[derive(Default)]
struct Picture {
    /// In order of appearance; the index is the element's name.
    things: Vec<(Shape, String)>,
    known: BTreeMap<(Shape, String), usize>,
    arrows: Vec<(usize, usize, bool)>,
    drawn: BTreeSet<(usize, usize)>,
}

impl Picture {
    fn draw(&mut self, node: &Node) {
        let is_match = node.is_match();
        // Parents are identified by their names within the first attribute, the node by its id: the
        // interfaces of the instances of one set may all have one name.
        let place = node.attributes.first().map_or("", |(_, value)| value);
        let mut last = None;
        for (index, parent) in node.parents.iter().enumerate() {
            let shape = if index + 1 == node.parents.len() {
                Shape::Parent
            } else {
                Shape::Group
            };
            last = Some(self.step(
                last,
                shape,
                &parent.name,
                format!("{place}/{}", parent.name),
                is_match,
            ));
        }
        last = Some(self.step(last, Shape::Node, &node.name, node.id.clone(), is_match));
        for address in &node.addresses {
            let address = address.to_string();
            self.step(last, Shape::Address, &address, address.clone(), true);
        }
        for reason in &node.excluded {
            let reason = reason.to_string();
            self.step(last, Shape::Reason, &reason, reason.clone(), false);
        }
    }

    /// Draws an element, once per key, and the arrow to it.
    fn step(
        &mut self,
        from: Option<usize>,
        shape: Shape,
        label: &str,
        identity: String,
        is_match: bool,
    ) -> usize {
        let thing = *self
            .known
            .entry((shape, identity.to_lowercase()))
            .or_insert_with(|| {
                self.things.push((shape, label.to_owned()));
                self.things.len() - 1
            });
        if let Some(from) = from
            && self.drawn.insert((from, thing))
        {
            self.arrows.push((from, thing, is_match));
        }
        thing
    }
}

/// Text inside the quotes of a label, where Mermaid accepts HTML entities with `#` instead of `&`.
fn escaped(label: &str) -> String {
    let mut text = String::new();
    for letter in label.chars() {
        match letter {
            '"' => text.push_str("#quot;"),
            '#' => text.push_str("#35;"),
            '<' => text.push_str("#lt;"),
            '>' => text.push_str("#gt;"),
            '`' => text.push('\''),
            letter if is_terminal_control(letter) => text.push(' '),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use cloud_autojoin::{Address, Detail, Exclusion, Parent};

    use super::*;

    fn interface(id: &str, instance: &str, scale_set: Option<&str>, address: Option<&str>) -> Node {
        let mut node = Node::new(
            "network interface",
            id,
            id.rsplit('/').next().unwrap_or_default(),
        );
        node.parents
            .extend(scale_set.map(|name| Parent::new("scale set", name)));
        node.parents.push(Parent::new("instance", instance));
        node.add_attribute("resource group", Some("prod".to_owned()));
        match address {
            Some(address) => node.addresses.push(Address::ip(address.parse().unwrap())),
            None => node.excluded.push(Exclusion::TagMissing {
                tag: "role".to_owned(),
            }),
        }
        node
    }

    #[test]
    fn each_thing_is_drawn_once_and_what_is_out_with_dashes() {
        let mut discovery = Discovery::new("azure", "scale set `web`", Detail::Everything);
        discovery.record(interface("/0/nic", "vm1", Some("web"), Some("10.0.0.4")));
        discovery.record(interface("/1/nic", "VM1", Some("web"), Some("10.0.0.5")));
        discovery.record(interface("nic3", "vm\"2", None, None));
        assert_eq!(
            of(&[&discovery]),
            "%% scale set `web`\nflowchart LR\n  n0[[\"web\"]]\n  n1[\"vm1\"]\n  n2(\"nic\")\n  n3([\"10.0.0.4\"])\n  n4(\"nic\")\n  n5([\"10.0.0.5\"])\n  \
             n6[\"vm#quot;2\"]\n  n7(\"nic3\")\n  n8>\"no tag 'role'\"]\n  n0 --> n1\n  n1 --> n2\n  n2 --> n3\n  n1 --> n4\n  n4 --> n5\n  n6 -.-> n7\n  n7 -.-> n8\n"
        );
    }
}
