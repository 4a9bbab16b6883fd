//! What may be typed. A pure parse: nothing here looks at the world.

mod signing;
mod state;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(super) use self::{
    signing::{KeygenArgs, SignArgs, VerifyArgs},
    state::{ImportArgs, RollbackArgs, StateCommand},
};
use crate::{
    load::{parameters::Wanted, suppose::is_path},
    spec::OnConflict,
};

/// One reviewed, priced plan over the clusters and workloads of a fleet.
///
/// Begin with `skyplan init`, look with `skyplan plan`, do it with `skyplan apply`.
#[derive(Debug, Parser)]
#[command(name = "skyplan", version, max_term_width = 100)]
pub(super) struct Args {
    /// Work in this folder
    #[arg(
        short = 'C',
        long = "directory",
        global = true,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    pub(super) directory: PathBuf,

    /// When to use colour; `NO_COLOR` is heeded
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", hide_default_value = true)]
    pub(super) color: Color,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a small project that works as it is
    Init(InitArgs),
    /// Check the specs without asking any cluster
    Validate(ValidateArgs),
    /// Show what an apply would do, and why
    Plan(PlanArgs),
    /// Show what would change between two Git revisions, without asking any cluster
    Diff(DiffArgs),
    /// Do what a plan says
    Apply(ApplyArgs),
    /// Take everything away that skyplan made
    Destroy(DestroyArgs),
    /// Take over what is there already and stands in the specs
    Import(ImportArgs),
    /// Go back to what was applied as of an entry of the log
    Rollback(RollbackArgs),
    /// Show the values that the last apply gave
    Output(OutputArgs),
    /// Show where components run, whether they are well, and what they cost
    Status(StatusArgs),
    /// Show what was applied, a plan file, or one resource
    Show(ShowArgs),
    /// Say why something is as it is: a component's place, a resource, a diagnostic code
    Explain(ExplainArgs),
    /// Show what the loss of each cluster would mean: what moves, at what price, what cannot run
    Contingency(ContingencyArgs),
    /// Draw a plan: what changes in which order, or where components run
    Graph(GraphArgs),
    /// Look at what skyplan remembers, and mend it
    State {
        #[command(flatten)]
        project: ProjectArgs,
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Make a key to sign plans with
    Keygen(KeygenArgs),
    /// Sign a plan file
    Sign(SignArgs),
    /// Show who has signed a plan file, and whether they are trusted
    Verify(VerifyArgs),
    /// Look at offerings, prices and latencies, and fetch them anew
    Catalog {
        #[command(subcommand)]
        command: CatalogCommand,
    },
    /// Fetch the sources that are not in the project, and note in skyplan.lock what they are
    Lock(LockArgs),
    /// Print the JSON Schema of a kind, for editors
    Schema {
        /// A kind, `plan` or `status`; without one, the kinds are listed
        #[arg(value_name = "KIND")]
        kind: Option<String>,
    },
    /// Run Kubernetes clusters on this machine: real control planes, simulated nodes
    Local {
        #[command(subcommand)]
        command: LocalCommand,
    },
    /// Print what a shell needs to complete commands and options
    Completions {
        /// Shell
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Write man pages into a folder
    #[command(hide = true)]
    Man {
        /// Folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct LockArgs {
    /// Fetch what is locked already anew; with words, only sources whose names hold one of them
    #[arg(long, value_name = "SOURCE", num_args = 0.., conflicts_with = "check")]
    pub(super) update: Option<Vec<String>>,
    /// Fetch nothing; exit with 1 when the lock lacks something, or has too much
    #[arg(long)]
    pub(super) check: bool,
    /// Fetch what is locked and not on this machine, as it is locked; change nothing
    #[arg(long, conflicts_with_all = ["check", "update", "json"])]
    pub(super) fetch: bool,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    /// Print what is locked as JSON
    #[arg(long, conflicts_with = "check")]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// Two Git revisions as `A..B`, or one to compare with the working folder
    #[arg(value_name = "REVISIONS", default_value = "HEAD")]
    pub(super) revisions: String,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    /// Print the changes as JSON, in the format of a plan
    #[arg(long)]
    pub(super) json: bool,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// Name of the project [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Keep the state there; whether that place keeps its word is tried first [default:
    /// file://.skyplan/state]
    #[arg(long, value_name = "URL")]
    pub(super) state: Option<String>,
}

/// Which of a project's texts are read, and as what. Global only for the commands below `state`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ProjectArgs {
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    /// Read the specs from this Git revision (a branch, tag or commit), not from the folder
    #[arg(long, global = true, value_name = "REVISION")]
    pub(super) rev: Option<String>,
}

impl ProjectArgs {
    /// What an apply of a plan file has to be told again; the environment is in the file.
    pub(super) fn typed(&self) -> Vec<String> {
        let set = self.reading.set.iter().flat_map(|(name, value)| ["--set".to_owned(), format!("{name}={value}")]);
        set.chain(self.rev.iter().flat_map(|rev| ["--rev".to_owned(), rev.clone()])).collect()
    }

    /// Fields that are supposed to have another value.
    pub(super) fn supposed(&self) -> Vec<String> {
        let fields = self.reading.set.iter().filter(|(name, _)| is_path(name));
        fields.map(|(path, value)| format!("{path} is {value}")).collect()
    }
}

/// What texts are read as.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ReadingArgs {
    /// The environment that is meant, of those that the Project has
    #[arg(long, global = true, value_name = "NAME", env = "SKYPLAN_ENV", hide_env_values = true)]
    pub(super) env: Option<String>,
    /// Give a parameter of the Project another value for this run; or suppose that a field of a spec has
    /// another value (`Cluster/edge.zone=a`), for plans that are only looked at
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
}

impl ReadingArgs {
    /// The environment that is meant. An empty variable names none.
    pub(super) fn wanted(&self) -> Wanted {
        match self.env.as_deref() {
            None | Some("") => Wanted::Only,
            Some(name) => Wanted::Named(name.to_owned()),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// Write the plan to a file that `skyplan apply FILE` takes
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Print the plan as JSON (schema: schemas/plan.json)
    #[arg(long)]
    pub(super) json: bool,
    /// Plan to take everything away
    #[arg(long, conflicts_with_all = ["replace", "refresh_only"])]
    pub(super) destroy: bool,
    #[command(flatten)]
    pub(super) part: PartArgs,
    #[command(flatten)]
    pub(super) other: OtherArgs,
    /// Plan as if this cluster were lost: what moves, and at what price; may be given again
    #[arg(long, value_name = "CLUSTER", conflicts_with_all = ["destroy", "refresh_only", "replay"])]
    pub(super) without_cluster: Vec<String>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Ask no cluster: what is recorded in the state, or in `--observed`, is all that is known
    #[arg(long, conflicts_with = "replay")]
    pub(super) offline: bool,
    /// With `--offline`: what clusters answered earlier, as `--record` writes it
    #[arg(long, value_name = "FILE", requires = "offline")]
    pub(super) observed: Option<PathBuf>,
    /// Write all that the plan was made from to a file, without secret values; `--replay` makes the
    /// same plan from it, `--offline --observed` plans the present specs with its answers
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Make the plan from such a file, without asking any cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "destroy", "targets", "excludes", "replace", "refresh_only"])]
    pub(super) replay: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// A plan written by `skyplan plan -o FILE`; without one, a plan is made and shown first
    #[arg(value_name = "PLAN", conflicts_with_all = ["targets", "excludes", "replace", "refresh_only", "reoptimize", "gap"])]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) part: PartArgs,
    #[command(flatten)]
    pub(super) other: OtherArgs,
    /// Go ahead with a plan that deletes clusters, namespaces, volumes or much at once
    #[arg(long)]
    pub(super) allow_deletes: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct DestroyArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    #[command(flatten)]
    pub(super) part: PartArgs,
    /// Go ahead where objects that skyplan did not make would go along, such as those in a namespace
    #[arg(long)]
    pub(super) allow_deletes: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// A part of all changes.
#[derive(Debug, Default, clap::Args)]
pub(super) struct PartArgs {
    /// Only this, and what it depends on: an address, an application or a component; `*` stands for
    /// anything; may be given again
    #[arg(long = "target", value_name = "WHAT")]
    pub(super) targets: Vec<String>,
    /// All but this, and what depends on it
    #[arg(long = "exclude", value_name = "WHAT")]
    pub(super) excludes: Vec<String>,
}

/// What the specs do not ask for.
#[derive(Debug, Default, clap::Args)]
pub(super) struct OtherArgs {
    /// Delete this resource and make it again; may be given again
    #[arg(long, value_name = "ADDRESS")]
    pub(super) replace: Vec<crate::address::ResourceAddress>,
    /// Reconsider where this component runs, or all of them; what moves has to be worth it
    #[arg(long, value_name = "COMPONENT", num_args = 0..=1, default_missing_value = "*", conflicts_with = "refresh_only")]
    pub(super) reoptimize: Vec<String>,
    /// What becomes of fields that others own and that the specs want otherwise: the plan fails, takes them,
    /// or leaves them
    #[arg(long, value_name = "fail|take|leave", default_value = "fail", value_parser = on_conflict, hide_default_value = true)]
    pub(super) on_conflict: OnConflict,
    /// A placement is near enough when it is proven to cost at most this much more than the cheapest
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) gap: Option<crate::quantity::Percent>,
    /// Change no cluster: forget what is gone, settle what an apply left open, tell what was changed
    #[arg(long, conflicts_with_all = ["targets", "excludes", "replace"])]
    pub(super) refresh_only: bool,
}

/// How an apply goes about it.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Do not ask
    #[arg(short = 'y', long, alias = "auto-approve")]
    pub(super) yes: bool,
    /// Changes in flight per cluster at most: how many requests it bears is found out
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) parallelism: u32,
    /// How long one resource may take to become ready
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(super) timeout: std::time::Duration,
    /// How long all of it may take: after that nothing new is begun
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub(super) deadline: std::time::Duration,
    /// Print what happens as JSON, one object per line; needs `--yes` or a plan file
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// A component (`web`, `shop/web`), an address (`cluster/edge`) or a code (`SKY0202`); without one,
    /// the placement as a whole, and how far prices may move before it changes
    #[arg(value_name = "SUBJECT")]
    pub(super) subject: Option<String>,
    /// Why the component does not run on this cluster, and what it would take
    #[arg(long, value_name = "CLUSTER", requires = "subject", conflicts_with = "field")]
    pub(super) why_not: Option<String>,
    /// Where the value of this field of an object comes from
    #[arg(long, value_name = "PATH")]
    pub(super) field: Option<String>,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ContingencyArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// Two clusters lost at once, too
    #[arg(long)]
    pub(super) pairs: bool,
    /// Print as JSON (schema: schemas/contingency.json)
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// A plan file or an address; without one, all that was applied
    #[arg(value_name = "PLAN|ADDRESS")]
    pub(super) what: Option<String>,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// A plan file; without one, a plan is made
    #[arg(value_name = "PLAN")]
    pub(super) plan: Option<PathBuf>,
    /// What to draw
    #[arg(long, value_enum, default_value_t = GraphOf::Changes)]
    pub(super) what: GraphOf,
    /// In which language; default: as the ending of the file says, else SVG
    #[arg(long, value_enum)]
    pub(super) format: Option<GraphFormat>,
    /// Write to this file
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// What a graph shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphOf {
    /// What changes, in which order
    Changes,
    /// Clusters, components and flows
    Placement,
}

/// Languages of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// A picture for browsers and pages
    Svg,
    /// For Graphviz
    Dot,
    /// For pages on code hosts
    Mermaid,
    /// For programs
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Print the value of this output alone
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum CatalogCommand {
    /// Show what can be had at what price, and how old the prices are
    Show {
        #[command(flatten)]
        project: ProjectArgs,
        /// Only this profile
        #[arg(value_name = "PROFILE")]
        profile: Option<String>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch the sources of the Project's `catalog`, and write profiles and lock file anew
    Refresh(RefreshArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct RefreshArgs {
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    /// Only these profiles
    #[arg(value_name = "PROFILE")]
    pub(super) profiles: Vec<String>,
    /// Fetch and write nothing: say whether entries, lock and files agree (exit status 4 if not)
    #[arg(long, conflicts_with_all = ["profiles", "overwrite", "dry_run"])]
    pub(super) check: bool,
    /// Show what would change, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write over files that were changed by hand, or that were not written by `refresh`
    #[arg(long)]
    pub(super) overwrite: bool,
    /// How long one source may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(super) timeout: std::time::Duration,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum LocalCommand {
    /// Start a cluster, or start it again
    Up {
        /// Name of the cluster
        name: String,
        /// Simulated nodes of a new cluster, 8 CPUs and 32Gi each
        #[arg(long, default_value_t = 1, value_name = "N")]
        nodes: u32,
        /// How long it may take to come up
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
        timeout: std::time::Duration,
    },
    /// Stop a cluster; its data are kept for the next `up`
    Down {
        /// Name of the cluster
        name: String,
        /// Delete its data too
        #[arg(long)]
        delete: bool,
    },
    /// Clusters on this machine
    List,
}

/// A parameter and its value.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".into()),
    }
}

/// A percentage as in the specs.
fn percent(text: &str) -> Result<crate::quantity::Percent, String> {
    crate::quantity::Percent::parse(text)
}

fn on_conflict(text: &str) -> Result<OnConflict, String> {
    match text {
        "fail" => Ok(OnConflict::Fail),
        "take" => Ok(OnConflict::Take),
        "leave" => Ok(OnConflict::Leave),
        _ => Err("it is one of fail, take, leave".into()),
    }
}

/// A duration as in the specs.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::quantity::Micros::parse(text).map(|m| std::time::Duration::from_micros(m.0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        crate::cli::help::command().debug_assert();
    }
}
