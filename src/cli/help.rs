//! What `--help` teaches beyond the words of single options: examples, and commands in the order in which
//! one comes to need them.

use std::sync::LazyLock;

use clap::{Command, CommandFactory as _};

use super::args::Args;
use crate::place::mixed_solver;

/// Commands by what one is about; what is in no group stands in the last.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Begin", &["init", "validate", "lock", "schema"]),
    ("Change", &["plan", "apply", "destroy", "import", "rollback", "keygen", "sign", "verify"]),
    ("Ask", &["status", "show", "explain", "contingency", "graph", "diff", "output"]),
    ("Look after", &["catalog", "state", "local", "completions"]),
];

/// Examples by command, as `--help` shows them.
const EXAMPLES: [(&str, &str); 22] = [
    (
        "init",
        "  mkdir fleet && cd fleet\n  skyplan init                 a project that runs on this machine\n  \
         skyplan -C fleet init --name prod",
    ),
    (
        "validate",
        "  skyplan validate             every fault with its file, line and column\n\nExit status: 0 valid, 1 faults.",
    ),
    (
        "lock",
        "  skyplan lock                 fetch what is not locked yet\n  \
         skyplan lock --fetch         bring to this machine what is locked; in CI, after a review\n  \
         skyplan lock --update        look for newer ones of all\n  \
         skyplan lock --update shop.git     of one\n  \
         skyplan lock --check         in CI\n\n\
         Exit status: 0 done, 1 error, or the lock is stale (--check).",
    ),
    (
        "plan",
        "  skyplan plan                 what an apply would do, and why\n  \
         skyplan plan -o plan.json    the same, to be applied as it is: skyplan apply plan.json\n  \
         skyplan plan --json | jq '.changes[].address'\n  \
         skyplan plan --target shop/api     only this, and what it needs\n  \
         skyplan plan --env prod --rev v1.3 of an environment, at a revision\n  \
         skyplan plan --offline --observed answers.json   without asking any cluster\n  \
         skyplan plan --reoptimize    also moves what would save something elsewhere\n  \
         skyplan plan --without-cluster edge    what if it were lost\n  \
         skyplan plan --set project.placement.horizon=8760h   what if a spec said something else\n  \
         skyplan plan --detailed-exitcode   for scripts\n\n\
         Exit status: 0 done, 1 error, 2 there are changes (only with --detailed-exitcode), 3 no placement meets all \
         constraints.",
    ),
    (
        "apply",
        "  skyplan apply                show the plan, ask, do it\n  skyplan apply --yes          without asking\n  \
         skyplan apply plan.json      exactly what was planned, or nothing if it is no longer true\n\n\
         Ctrl-C once ends what is in flight and writes the state; twice stops now. `skyplan apply` goes on from there.\n\n\
         Exit status: 0 done, 1 error or done in part, 3 no placement, 4 the plan is stale, 5 refused: it deletes too much, \
         or moves something for a search that was cut off.",
    ),
    (
        "destroy",
        "  skyplan plan --destroy       look first\n  skyplan destroy              show, ask, take everything away",
    ),
    (
        "import",
        "  skyplan import object/edge/core/ConfigMap/shop/web    write it into the specs first; shows what differs, asks\n  \
         skyplan import cluster/edge --yes    a local cluster that was made by hand\n\n\
         Fields that the specs say otherwise are taken from whoever set them. To have it reviewed: `import` of a \
         Refactoring document.",
    ),
    (
        "rollback",
        "  skyplan state log            which entries there are\n  \
         skyplan rollback 41          show the plan back to what was applied as of entry 41, ask, do it\n\n\
         It plans the commit that was applied then, with every component where it ran. What it changes is held, so that \
         nothing undoes it by itself: `skyplan state unhold --all` ends that.",
    ),
    (
        "status",
        "  skyplan status\n  skyplan status --json | jq '.workloads[] | select(.ready | not)'\n\n\
         Exit status: 0 everything is ready, 1 something is not, or a cluster does not answer.",
    ),
    (
        "show",
        "  skyplan show                 what was applied, by cluster\n  skyplan show plan.json       a plan file, as `plan` showed it\n  \
         skyplan show cluster/edge    one resource: what is remembered, and how it is",
    ),
    (
        "explain",
        "  skyplan explain              the whole placement, and how far prices may move\n  \
         skyplan explain web          why there, at what price, and what excluded each other place\n  \
         skyplan explain web --why-not gcp      what stands against it, or what it would cost\n  \
         skyplan explain object/edge/apps/Deployment/shop/web\n  \
         skyplan explain object/edge/apps/Deployment/shop/web --field spec.replicas\n  skyplan explain SKY0202      a code",
    ),
    (
        "contingency",
        "  skyplan contingency          each cluster: does everything find another place, and at what price\n  \
         skyplan contingency --pairs  two at once, too\n  skyplan contingency --json | jq '.losses[] | select(.holds | not)'\n\n\
         Exit status: 0 everything finds a place whichever is lost, 1 error, 3 something does not.",
    ),
    (
        "graph",
        "  skyplan graph -o plan.svg                        what changes, in which order\n  \
         skyplan graph --what placement -o fleet.svg      clusters, components and flows\n  \
         skyplan graph --format mermaid plan.json         of a plan file, for a page\n  \
         skyplan graph --format dot | dot -Tpdf > plan.pdf",
    ),
    (
        "diff",
        "  skyplan diff                 what is changed here since the last commit\n  \
         skyplan diff main..HEAD      what this branch changes, for a review\n  \
         skyplan diff v1.2..v1.3 --json\n\n\
         Exit status: 0 done, 1 error, 2 there are changes (only with --detailed-exitcode).",
    ),
    (
        "output",
        "  skyplan output               all of them\n  skyplan output address       one, as it is, for scripts\n  \
         skyplan output --json",
    ),
    (
        "keygen",
        "  skyplan keygen               the public key goes into `trust.signers` of skyplan.yaml\n  \
         skyplan keygen -o release.key",
    ),
    (
        "sign",
        "  skyplan plan -o plan.json && skyplan show plan.json\n  \
         skyplan sign plan.json       writes plan.json.sig\n  skyplan sign plan.json --key ~/.ssh/id_ed25519",
    ),
    (
        "verify",
        "  skyplan verify plan.json     by those whom the project trusts\n  \
         skyplan verify plan.json --signer 'ssh-ed25519 AAAA…'\n\n\
         Exit status: 0 signed by somebody who is trusted, 1 error, 5 not signed so.",
    ),
    (
        "catalog",
        "  skyplan catalog show                 offerings, fees, data and latencies, with their age\n  \
         skyplan catalog show aws-eu --json\n  \
         skyplan catalog refresh              fetch all sources; prints which prices changed\n  \
         skyplan catalog refresh aws-eu --dry-run\n  \
         skyplan catalog refresh --check      for CI: nothing was edited, nothing is missing\n\n\
         Exit status: 0 done, 1 error, 4 entries, lock and files do not agree (only with --check).",
    ),
    (
        "state",
        "  skyplan state list           addresses of all resources\n  \
         skyplan state show cluster/edge\n  skyplan state log            every apply, newest last\n  \
         skyplan state diff 41        what changed since entry 41\n  \
         skyplan state doctor         is anything wrong or unusual, and how to mend it\n  \
         skyplan state forget object/edge/core/ConfigMap/shop/old\n  \
         skyplan state move cluster/edge cluster/edge-1    after it was renamed in the specs\n  \
         skyplan state hold cluster/edge --reason 'under repair'\n  skyplan state unhold --all",
    ),
    (
        "local",
        "  skyplan local up try --nodes 3    a Kubernetes API in seconds, without a container\n  \
         skyplan local list\n  skyplan local down try --delete",
    ),
    (
        "completions",
        "  skyplan completions bash > ~/.local/share/bash-completion/completions/skyplan\n  \
         skyplan completions zsh  > ~/.zfunc/_skyplan      (with ~/.zfunc in $fpath)\n  \
         skyplan completions fish > ~/.config/fish/completions/skyplan.fish",
    ),
];

/// The command line with all that is to be learned about it.
pub(super) fn command() -> Command {
    let mut command = Args::command();
    for (name, text) in EXAMPLES {
        if command.find_subcommand(name).is_some() {
            command = command.mut_subcommand(name, |c| c.after_long_help(format!("Examples:\n{text}")));
        }
    }
    let groups = groups(&command);
    static LONG: LazyLock<Option<String>> =
        LazyLock::new(|| Some(format!("{}\nwith {}", env!("CARGO_PKG_VERSION"), mixed_solver()?)));
    if let Some(long) = LONG.as_deref() {
        command = command.long_version(long);
    }
    command
        .help_template(format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}\n"
        ))
        .subcommand_value_name("COMMAND")
        .after_help("`skyplan COMMAND --help` has examples.")
}

fn groups(command: &Command) -> String {
    let visible: Vec<&Command> = command.get_subcommands().filter(|c| !c.is_hide_set()).collect();
    let width = visible.iter().map(|c| c.get_name().len()).max().unwrap_or(0);
    let line = |c: &&Command| {
        let about = c.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:width$}  {about}\n", c.get_name())
    };
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let mut out = String::new();
    for (k, (title, names)) in GROUPS.iter().enumerate() {
        let mut lines: Vec<String> =
            names.iter().filter_map(|n| visible.iter().find(|c| c.get_name() == *n)).map(line).collect();
        if k + 1 == GROUPS.len() {
            lines.extend(visible.iter().filter(|c| !grouped(c.get_name())).map(line));
        }
        out.push_str(&format!("{title}:\n{}\n", lines.concat()));
    }
    out
}

/// What `--help` prints of every command, for the golden that holds it.
#[cfg(test)]
fn all(command: &mut Command, path: &str, out: &mut String) {
    let text = command.clone().term_width(100).bin_name(path).render_long_help().to_string();
    out.push_str(&format!("$ {path} --help\n{text}\n"));
    let names: Vec<String> =
        command.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect();
    for name in names.iter().filter(|n| *n != "help") {
        if let Some(below) = command.find_subcommand_mut(name) {
            all(below, &format!("{path} {name}"), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_a_group_and_has_examples() {
        for c in command().get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "schema") {
            let name = c.get_name();
            assert!(GROUPS.iter().any(|(_, names)| names.contains(&name)), "{name} is in no group");
            assert!(EXAMPLES.iter().any(|(n, _)| *n == name), "{name} has no examples");
        }
    }

    #[test]
    fn help_is_as_it_was() {
        let mut command = command();
        command.build();
        let mut text = String::new();
        all(&mut command, "skyplan", &mut text);
        let text: String = text.lines().map(|l| format!("{}\n", l.trim_end())).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/answers/help.txt");
        if std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite") {
            std::fs::write(path, &text).unwrap();
        }
        let was = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            was == text,
            "testdata/answers/help.txt differs; `SNAPSHOTS=overwrite cargo test --lib help` writes it:\n{text}"
        );
    }
}
