//! `skyplan graph`: a picture of a plan.

use std::path::Path;

use crate::{
    cli::{
        args::{GraphArgs, GraphFormat, GraphOf, ProjectArgs},
        exit::Exit,
        output::Output,
        planfile,
        planning::{self, Asked},
        session::Session,
    },
    diagnostic::Diagnostic,
    plan::Plan,
    render::graph::{build, dot, mermaid, svg},
};

pub(in crate::cli) async fn run(root: &Path, args: &GraphArgs, output: &Output) -> Exit {
    let plan = match &args.plan {
        Some(file) => match planfile::read(file) {
            Ok(plan) => plan,
            Err(d) => return output.fault(d),
        },
        None => match planned(root, &args.project, output).await {
            Ok(plan) => plan,
            Err(exit) => return exit,
        },
    };
    let graph = match args.what {
        GraphOf::Changes => build::changes(&plan),
        GraphOf::Placement => build::placement(&plan),
    };
    let format = match format(args) {
        Ok(format) => format,
        Err(d) => return output.fault(d),
    };
    let text = match format {
        GraphFormat::Svg => svg::render(&graph),
        GraphFormat::Dot => dot::render(&graph),
        GraphFormat::Mermaid => mermaid::render(&graph),
        GraphFormat::Json => serde_json::to_string_pretty(&graph).unwrap_or_default() + "\n",
    };
    match &args.out {
        None => output.print(&text),
        Some(file) => {
            if let Err(e) = std::fs::write(file, text) {
                return output
                    .fault(Diagnostic::error("SKY0901", format!("{} cannot be written: {e}", file.display())));
            }
        }
    }
    Exit::Done
}

/// What was said, else what the file's name says, else SVG.
fn format(args: &GraphArgs) -> Result<GraphFormat, Diagnostic> {
    let ending = args.out.as_ref().and_then(|f| f.extension()).and_then(|e| e.to_str());
    Ok(match (args.format, ending) {
        (Some(format), _) => format,
        (None, Some("dot" | "gv")) => GraphFormat::Dot,
        (None, Some("mmd" | "mermaid" | "md")) => GraphFormat::Mermaid,
        (None, Some("json")) => GraphFormat::Json,
        (None, Some("svg") | None) => GraphFormat::Svg,
        (None, Some(other)) => {
            return Err(Diagnostic::error("SKY0901", format!("no picture is known by the ending `.{other}`"))
                .hint("write to .svg, .dot, .mmd or .json, or say `--format`; other programs make PNG of an SVG"));
        }
    })
}

async fn planned(root: &Path, project: &ProjectArgs, output: &Output) -> Result<Plan, Exit> {
    let (session, log, drivers) = Session::open_to_plan(root, project, output)?;
    match planning::make(&session, log.state(), &drivers, &Asked::default(), output).await {
        Ok(made) => Ok(made.plan),
        Err(faults) => Err(session.show(&faults, output)),
    }
}
