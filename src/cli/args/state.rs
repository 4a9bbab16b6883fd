//! What may be typed about the state: `state`, `import`, `rollback`.

use clap::Subcommand;

use super::{ProjectArgs, RunArgs};
use crate::{address::ResourceAddress, spec::Subject};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StateCommand {
    /// Addresses of all resources
    List,
    /// What is remembered of one resource, or of all, as JSON
    Show {
        /// Address, as `skyplan state list` prints it
        #[arg(value_name = "ADDRESS")]
        address: Option<String>,
    },
    /// Entries of the log, newest last
    Log,
    /// What changed in the state between two entries of the log
    Diff {
        /// Serial of the earlier entry, as `skyplan state log` prints it
        #[arg(value_name = "SERIAL")]
        from: u64,
        /// Serial of the later one [default: the last]
        #[arg(value_name = "SERIAL")]
        to: Option<u64>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for what is wrong or unusual in the log, and say how to mend it
    Doctor {
        /// Mend what can be mended without asking a cluster
        #[arg(long)]
        fix: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remember a resource no longer, and leave it where it is; a cluster with all that is on it
    Forget {
        /// Addresses, as `skyplan state list` prints them
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
    },
    /// Call something else in the state what the specs call it now; no cluster is changed
    Move {
        /// What it was called: `cluster/NAME`, `APPLICATION/COMPONENT` or `APPLICATION`
        #[arg(value_name = "FROM")]
        from: Subject,
        /// What it is called now
        #[arg(value_name = "TO")]
        to: Subject,
    },
    /// Leave resources alone where nobody looks at a plan before it is applied
    Hold {
        /// Addresses, as `skyplan state list` prints them
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<ResourceAddress>,
        /// Why: plans show it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// End a hold
    Unhold {
        /// Addresses that are held
        #[arg(value_name = "ADDRESS", required_unless_present = "all")]
        addresses: Vec<ResourceAddress>,
        /// All that is held
        #[arg(long, conflicts_with = "addresses")]
        all: bool,
    },
    /// Seal the secret values that are held for the recipients that skyplan.yaml names now
    Rekey,
    /// Copy the log to another store, and check the copy; `state.url` is then yours to change
    Migrate {
        /// Where to: `s3://…`, `gs://…`, `azblob://…`, `kubernetes://…`, `postgres://…`, `file://…`
        #[arg(long, value_name = "URL")]
        to: String,
    },
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ImportArgs {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectArgs,
    /// Addresses: `cluster/NAME`, or `object/CLUSTER/GROUP/KIND/NAMESPACE/NAME` (`core` for the core group, `-` for no
    /// namespace)
    #[arg(value_name = "ADDRESS", required = true)]
    pub(in crate::cli) addresses: Vec<ResourceAddress>,
    #[command(flatten)]
    pub(in crate::cli) run: RunArgs,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RollbackArgs {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectArgs,
    /// Serial of an entry, as `skyplan state log` prints it: what was applied as of then is planned anew
    #[arg(value_name = "SERIAL")]
    pub(in crate::cli) serial: u64,
    /// Go ahead with a plan that deletes clusters, namespaces, volumes or much at once
    #[arg(long)]
    pub(in crate::cli) allow_deletes: bool,
    #[command(flatten)]
    pub(in crate::cli) run: RunArgs,
}
