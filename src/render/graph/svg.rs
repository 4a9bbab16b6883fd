//! SVG in one file: no script, no font, no other file. Light and dark as the reader's screen is.

use super::{
    Graph, TONES, Tone,
    layout::{LINE, Rect, cut, layout},
};

const STYLE: &str = "\
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
.paper{fill:#ffffff}.title{font-size:15px;font-weight:bold}.lane{fill:#f6f8fa;stroke:#d1d9e0}\
.group{font-size:13px;font-weight:bold;paint-order:stroke;stroke:#f6f8fa;stroke-width:5px}.name{font-size:12px}.remark,.label,.key{font-size:11px;fill:#59636e}\
.sign{font-size:14px;font-weight:bold;fill:#ffffff}.box{fill:#ffffff;stroke:#8c959f}.halo{fill:#f6f8fa;fill-opacity:0.9}\
.edge{fill:none;stroke:#6e7781;stroke-width:1.4}.tip{fill:#6e7781}\
.plain{fill:#0969da}.create{fill:#1a7f37}.update{fill:#9a6700}.replace{fill:#8250df}.delete{fill:#cf222e}.forget{fill:#6e7781}\
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.paper{fill:#0d1117}.lane{fill:#151b23;stroke:#3d444d}\
.remark,.label,.key{fill:#9198a1}.group{stroke:#151b23}.box{fill:#0d1117;stroke:#656c76}.halo{fill:#151b23}.edge{stroke:#9198a1}.tip{fill:#9198a1}\
.sign{fill:#ffffff}.plain{fill:#1f6feb}.create{fill:#238636}.update{fill:#9e6a03}.replace{fill:#8957e5}.delete{fill:#da3633}}";

/// A graph as SVG.
pub fn render(graph: &Graph) -> String {
    let at = layout(graph);
    let keyed = graph.nodes.iter().any(|n| n.tone != Tone::Plain);
    let (width, height) = (at.width, at.height + if keyed { 24 } else { 0 });
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n",
        escape(&graph.title)
    );
    out.push_str(&format!("<text class=\"title\" x=\"20\" y=\"34\">{}</text>\n", escape(&graph.title)));
    for Rect { x, y, width, height } in &at.lanes {
        out.push_str(&format!(
            "<rect class=\"lane\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n"
        ));
    }
    for path in &at.paths {
        if let Some(line) = curve(path) {
            out.push_str(&format!("<path class=\"edge\" marker-end=\"url(#tip)\" d=\"{line}\"/>\n"));
        }
    }
    // Above the arrows, which may pass below them.
    for (group, Rect { x, y, .. }) in graph.groups.iter().zip(&at.lanes) {
        out.push_str(&format!(
            "<text class=\"group\" x=\"{}\" y=\"{}\">{}<tspan class=\"remark\" font-weight=\"normal\" dx=\"14\">{}</tspan></text>\n",
            x + 14,
            y + 21,
            escape(&group.name),
            escape(&group.remark)
        ));
    }
    for (node, rect) in graph.nodes.iter().zip(&at.nodes) {
        out.push_str(&boxed(node, *rect));
    }
    for (edge, rect) in graph.edges.iter().zip(&at.labels).filter(|(e, _)| !e.label.is_empty()) {
        let Rect { x, y, width, height } = *rect;
        out.push_str(&format!(
            "<rect class=\"halo\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\"/>\n"
        ));
        let mut line = y + LINE - 2;
        for text in &edge.label {
            let middle = x + width / 2;
            out.push_str(&format!(
                "<text class=\"label\" text-anchor=\"middle\" x=\"{middle}\" y=\"{line}\">{}</text>\n",
                escape(text)
            ));
            line += LINE;
        }
    }
    out.push_str(&key(graph, at.height + 4));
    out.push_str("</svg>\n");
    out
}

fn boxed(node: &super::Node, rect: Rect) -> String {
    let Rect { x, y, width, height } = rect;
    let name_y = if node.remark.is_empty() { y + height / 2 + 4 } else { y + 17 };
    let mut out = format!(
        "<g><title>{}</title>\n<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"5\"/>\n",
        escape(&node.tooltip)
    );
    // A strip with the sign; round on the left side only.
    let (strip, foot) = (if node.tone == Tone::Plain { 6 } else { 20 }, y + height);
    out.push_str(&format!(
        "<path class=\"{}\" d=\"M{} {y}H{}V{foot}H{}a5 5 0 0 1 -5 -5V{}a5 5 0 0 1 5 -5z\"/>\n",
        node.tone.word(),
        x + 5,
        x + strip,
        x + 5,
        y + 5
    ));
    if node.tone != Tone::Plain {
        out.push_str(&format!(
            "<text class=\"sign\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n",
            x + 10,
            y + height / 2 + 5,
            node.tone.sign()
        ));
    }
    let left = x + strip + 8;
    out.push_str(&format!("<text class=\"name\" x=\"{left}\" y=\"{name_y}\">{}</text>\n", escape(&cut(&node.name))));
    if !node.remark.is_empty() {
        let below = y + 32;
        out.push_str(&format!(
            "<text class=\"remark\" x=\"{left}\" y=\"{below}\">{}</text>\n",
            escape(&cut(&node.remark))
        ));
    }
    out + "</g>\n"
}

/// A smooth line through points: bends in the gaps, straight through slots.
fn curve(points: &[(i32, i32)]) -> Option<String> {
    let (first, rest) = points.split_first()?;
    let mut out = format!("M{} {}", first.0, first.1);
    let mut from = *first;
    for (k, to) in rest.iter().enumerate() {
        if k % 2 == 1 {
            out.push_str(&format!("L{} {}", to.0, to.1));
        } else {
            let middle = (from.0 + to.0) / 2;
            out.push_str(&format!("C{middle} {} {middle} {} {} {}", from.1, to.1, to.0, to.1));
        }
        from = *to;
    }
    Some(out)
}

/// What the signs that occur mean.
fn key(graph: &Graph, y: i32) -> String {
    let mut out = String::new();
    let mut x = 20;
    for (tone, words) in TONES.iter().filter(|(t, _)| graph.nodes.iter().any(|n| n.tone == *t)) {
        out.push_str(&format!(
            "<rect class=\"{}\" x=\"{x}\" y=\"{}\" width=\"16\" height=\"16\" rx=\"3\"/>\n\
             <text class=\"sign\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n\
             <text class=\"key\" x=\"{}\" y=\"{}\">{words}</text>\n",
            tone.word(),
            y - 12,
            x + 8,
            y + 1,
            tone.sign(),
            x + 22,
            y
        ));
        x += 46 + super::layout::width_of(words, 66);
    }
    out
}

/// Text as XML has it.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
