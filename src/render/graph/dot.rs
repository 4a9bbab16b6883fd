//! DOT, for Graphviz.

use super::{Graph, Tone, signed};

/// A graph as DOT.
pub fn render(graph: &Graph) -> String {
    let mut out = format!(
        "digraph skyplan {{\n  label={};\n  labelloc=t;\n  rankdir=LR;\n  node [shape=box, style=rounded];\n",
        quoted(&graph.title)
    );
    for (g, group) in graph.groups.iter().enumerate() {
        let heading =
            if group.remark.is_empty() { group.name.clone() } else { format!("{}\n{}", group.name, group.remark) };
        out.push_str(&format!("  subgraph cluster_{g} {{\n    label={};\n", quoted(&heading)));
        for (i, node) in graph.nodes.iter().enumerate().filter(|(_, n)| n.group == g) {
            let text = if node.remark.is_empty() { signed(node) } else { format!("{}\n{}", signed(node), node.remark) };
            out.push_str(&format!(
                "    n{i} [label={}, tooltip={}, color={}];\n",
                quoted(&text),
                quoted(&node.tooltip),
                quoted(color(node.tone))
            ));
        }
        out.push_str("  }\n");
    }
    for edge in &graph.edges {
        let label =
            if edge.label.is_empty() { String::new() } else { format!(" [label={}]", quoted(&edge.label.join("\n"))) };
        out.push_str(&format!("  n{} -> n{}{label};\n", edge.from, edge.to));
    }
    out + "}\n"
}

pub(super) fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "#0969da",
        Tone::Create => "#1a7f37",
        Tone::Update => "#9a6700",
        Tone::Replace => "#8250df",
        Tone::Delete => "#cf222e",
        Tone::Forget => "#6e7781",
    }
}

/// A quoted string: only quotes and backslashes mean something in it.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{}\"", text.replace(char::is_control, "\u{fffd}"))
}
