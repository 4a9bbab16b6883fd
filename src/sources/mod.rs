//! Sources that somebody else's program renders: kustomizations and charts.
//!
//! `load` asks (`SpecSet.renders`), this answers, and `load` reads again. A program sees only the files of its
//! source, copied to a folder of their own, and runs with a cleared environment, bounded in time, memory and
//! output, without a way to the network. It is run twice: what comes out differently cannot be planned. What came
//! of the same files, the same program and the same values before is taken from the cache.
//! Knows how programs are called, and nothing of what objects mean.

mod archive;
mod cache;
mod chart_repo;
mod child;
mod git;
mod helm;
mod http;
mod kustomization;
mod kustomize;
mod manifests;
mod oci;
mod remote;
mod tool;

use std::{
    num::NonZero,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use self::{cache::Cache, child::Bounds, remote::Contents, tool::Tools};
use self::{child::Failure, tool::Tool};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    digest::{digest, digest_bytes},
    load::{
        differences, holds_secrets,
        parameters::Answers,
        snapshot::{Files, Place},
    },
    spec::{Render, Rendered, Renderer},
};

/// Programs at once: each uses several processors.
const AT_ONCE: usize = 4;
/// For all sources of a project together.
const ALL: Duration = Duration::from_secs(600);

/// Renders the sources of one project.
#[derive(Clone, Debug)]
pub struct Kitchen {
    /// Where the project's files are.
    pub place: Place,
    /// What can be run.
    pub tools: Tools,
    /// What was rendered before.
    pub cache: Cache,
    /// What was fetched before.
    pub contents: Contents,
    /// What a program may use.
    pub bounds: Bounds,
}

impl Kitchen {
    /// Renders everything that is asked for.
    pub fn answer(&self, renders: &[Render]) -> Answers {
        let mut wanted: Vec<&Render> = Vec::new();
        for render in renders {
            if !wanted.iter().any(|known| known.key() == render.key()) {
                wanted.push(render);
            }
        }
        let until = Instant::now() + ALL;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(render) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((render.key(), self.one(render, until)));
            }
            done
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(AT_ONCE).min(wanted.len());
        thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut all: Answers = work().into_iter().collect();
            for other in others {
                match other.join() {
                    Ok(done) => all.extend(done),
                    Err(cause) => std::panic::resume_unwind(cause),
                }
            }
            all
        })
    }

    /// All files that a source is rendered from.
    ///
    /// # Errors
    /// They cannot be read, or would have something fetched.
    pub fn files(&self, render: &Render) -> Result<Files, Diagnostics> {
        let fetched;
        let place = match &render.content {
            None => &self.place,
            Some(content) => {
                fetched = self.contents.place(content).map_err(|d| d.at(&render.origin))?;
                &fetched
            }
        };
        match &render.how {
            Renderer::Files => manifests::files(place, render),
            Renderer::Kustomize => kustomization::files(place, render),
            Renderer::Helm(_) => helm::files(place, render),
        }
    }

    fn one(&self, render: &Render, until: Instant) -> Result<Rendered, Diagnostics> {
        let left = || {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Diagnostic::error(
                    "SKY0142",
                    format!("not all sources were rendered in {} minutes", ALL.as_secs() / 60),
                )
                .at(&render.origin)
                .hint("which of them takes so long? What was rendered is kept, and not rendered again"));
            }
            Ok(Bounds { deadline: self.bounds.deadline.min(left), ..self.bounds })
        };
        left()?;
        let files = self.files(render)?;
        if render.how == Renderer::Files {
            return manifests::read(render, &files);
        }
        let tool = self.tools.find(&render.how, left()?).map_err(|d| d.at(&render.origin))?;
        let inputs = inputs_of(render, &tool, &files);
        if let Some(output) = self.cache.read(&inputs) {
            return Ok(Rendered { tool: tool.name, inputs, output });
        }
        let once = || -> Result<String, Diagnostics> {
            let folder = tempfile::Builder::new().prefix("skyplan-").tempdir().map_err(|e| own_fault(render, &e))?;
            // Some systems lead to it by a link; programs name the real folder in what they say.
            let real = folder.path().canonicalize().map_err(|e| own_fault(render, &e))?;
            write(&real.join(TREE), &files).map_err(|e| own_fault(render, &e))?;
            let bounds = left()?;
            match &render.how {
                Renderer::Files => Ok(String::new()),
                Renderer::Kustomize => kustomize::render(render, &tool, &real, bounds),
                Renderer::Helm(chart) => helm::render(render, chart, &tool, &real, &files, bounds),
            }
        };
        let (output, again) = (once()?, once()?);
        if output != again {
            return Err(differs(render, &differences(render, &output, &again)).into());
        }
        if !holds_secrets(&output) {
            self.cache.write(&inputs, &output);
        }
        Ok(Rendered { tool: tool.name, inputs, output })
    }
}

/// The folder below the temporary one that stands for the project's root.
const TREE: &str = "tree";

/// Digest of everything that a rendering is made from.
fn inputs_of(render: &Render, tool: &Tool, files: &Files) -> String {
    let files: Vec<(&String, String)> = files.iter().map(|(path, bytes)| (path, digest_bytes(bytes))).collect();
    digest(&serde_json::json!([render, tool.name, files]))
}

/// Writes files below a folder. Their paths come from a walk: none of them leads out.
fn write(root: &Path, files: &Files) -> std::io::Result<()> {
    std::fs::create_dir_all(root)?;
    for (path, bytes) in files {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

fn own_fault(render: &Render, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(
        "SKY0141",
        format!("`{}` cannot be rendered: its files cannot be written: {error}", render.name()),
    )
    .at(&render.origin)
    .hint("files are copied to a temporary folder; TMPDIR says where that is")
}

fn differs(render: &Render, what: &[String]) -> Diagnostic {
    Diagnostic::error("SKY0144", format!("`{}` comes out differently each time it is rendered", render.name()))
        .detail(format!("It was rendered twice, and these differ:\n{}", what.join("\n")))
        .at(&render.origin)
        .hint("random words, times and generated certificates cannot be planned: give them as values")
}

/// What a program that did not come to its end is said to have done.
fn unfinished(render: &Render, tool: &Tool, failure: Failure) -> Diagnostic {
    let name = render.name();
    let (text, hint) = match failure {
        Failure::NotStarted(error) => {
            return Diagnostic::error("SKY0140", format!("{} cannot be run: {error}", tool.program.display()))
                .at(&render.origin)
                .hint("does it run when you type it?");
        }
        Failure::Late(limit) => {
            (format!("`{name}` was not rendered in {} s", limit.as_secs()), "is there a loop in it that does not end?")
        }
        Failure::TooMuch(limit) => (
            format!("`{name}` renders to more than {} MiB", limit >> 20),
            "is there a loop in it that writes without end?",
        ),
        Failure::Memory(limit) => (
            format!("rendering `{name}` takes more than {} MiB of memory", limit >> 20),
            "is there a list in it that grows without end?",
        ),
    };
    Diagnostic::error("SKY0142", text).at(&render.origin).hint(hint)
}
