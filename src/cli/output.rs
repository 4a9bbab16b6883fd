//! Where text goes: results to standard output, everything else to standard error.

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal as _, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use super::{args::Color, exit::Exit};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity, SourceMap},
    render::{Style, diagnostics},
};

/// Writes a value as JSON that people can read, with a line end.
pub(super) fn write_json<T: Serialize>(to: impl Write, value: &T) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, to);
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The two streams and their styles.
#[derive(Debug)]
pub(super) struct Output {
    /// Of standard output.
    pub(super) style: Style,
    error_style: Style,
    /// Whether somebody can be asked.
    pub(super) interactive: bool,
    /// Whether standard error is a terminal, for progress.
    pub(super) terminal: bool,
    /// Whether it was said how to learn more about a code.
    explained: AtomicBool,
}

impl Output {
    pub(super) fn new(color: Color) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let style = |terminal: bool| Style {
            color: match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal && allowed,
            },
        };
        let terminal = std::io::stderr().is_terminal();
        Self {
            style: style(std::io::stdout().is_terminal()),
            error_style: style(terminal),
            interactive: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
            terminal,
            explained: AtomicBool::new(false),
        }
    }

    /// Prints a result. A reader that went away (`| head`) is no error.
    pub(super) fn print(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints a result for programs, piece by piece: it may be large.
    pub(super) fn json<T: Serialize>(&self, value: &T) {
        let _ = write_json(std::io::stdout().lock(), value);
    }

    /// Says something beside the result.
    pub(super) fn say(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{text}");
    }

    /// Shows diagnostics and gives the exit status that they stand for.
    pub(super) fn diagnostics(&self, all: &Diagnostics, sources: &SourceMap) -> Exit {
        if all.is_empty() {
            return Exit::Done;
        }
        self.say(diagnostics::render(all, sources, self.error_style).trim_end());
        let errors: Vec<&str> = all.iter().filter(|d| d.severity == Severity::Error).map(|d| d.code.as_str()).collect();
        if errors.is_empty() {
            return Exit::Done;
        }
        if !self.explained.swap(true, Ordering::Relaxed) {
            let codes: BTreeSet<&str> = errors.iter().copied().collect();
            let text = match codes.first() {
                Some(code) if codes.len() == 1 => format!("for more: skyplan explain {code}"),
                _ => "for more about any of these: skyplan explain CODE".to_owned(),
            };
            self.say(&self.error_style.dim(&text));
        }
        Exit::of(errors)
    }

    /// Shows one diagnostic that has no place in the sources.
    pub(super) fn fault(&self, diagnostic: Diagnostic) -> Exit {
        self.diagnostics(&diagnostic.into(), &SourceMap::default())
    }

    /// Asks for the word `yes`.
    pub(super) fn confirm(&self, question: &str) -> bool {
        self.print(&format!("{question} Only 'yes' is taken for an answer: "));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
    }
}
