//! Mermaid, as pages on code hosts draw it.

use super::{Graph, TONES, Tone, dot::color, signed};

/// A graph as a Mermaid flowchart.
pub fn render(graph: &Graph) -> String {
    let mut out = format!("---\ntitle: {}\n---\nflowchart LR\n", quoted(&graph.title));
    for (g, group) in graph.groups.iter().enumerate() {
        let heading =
            if group.remark.is_empty() { group.name.clone() } else { format!("{} · {}", group.name, group.remark) };
        out.push_str(&format!("  subgraph g{g}[{}]\n", quoted(&heading)));
        for (i, node) in graph.nodes.iter().enumerate().filter(|(_, n)| n.group == g) {
            let text = if node.remark.is_empty() { signed(node) } else { format!("{}\n{}", signed(node), node.remark) };
            out.push_str(&format!("    n{i}[{}]:::{}\n", quoted(&text), node.tone.word()));
        }
        out.push_str("  end\n");
    }
    for edge in &graph.edges {
        let label = if edge.label.is_empty() { String::new() } else { format!("|{}|", quoted(&edge.label.join("\n"))) };
        out.push_str(&format!("  n{} -->{label} n{}\n", edge.from, edge.to));
    }
    for tone in [Tone::Plain].into_iter().chain(TONES.iter().map(|(t, _)| *t)) {
        if graph.nodes.iter().any(|n| n.tone == tone) {
            out.push_str(&format!("  classDef {} stroke:{},stroke-width:2px\n", tone.word(), color(tone)));
        }
    }
    out
}

/// Quoted text: Mermaid takes entities by `#`, and Markdown only within backticks.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '#' => out.push_str("#35;"),
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '`' => out.push_str("#96;"),
            '\n' => out.push_str("<br>"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out + "\""
}
