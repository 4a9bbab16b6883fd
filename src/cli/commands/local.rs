//! `skyplan local`: clusters on this machine, with or without a project.

use std::time::{Duration, Instant};

use crate::{
    cli::{args::LocalCommand, exit::Exit, output::Output},
    diagnostic::Diagnostic,
    driver::{
        Drivers,
        local::{self, Data, LocalRoot, LocalState},
    },
    network::Networks,
    render::table::columns,
    state::record::NodePoolState,
};

pub(in crate::cli) async fn run(command: &LocalCommand, output: &Output) -> Exit {
    let root = match LocalRoot::from_env() {
        Ok(root) => root,
        Err(d) => return output.fault(d),
    };
    let result = match command {
        LocalCommand::Up { name, nodes, timeout } => up(root, name, *nodes, *timeout, output).await,
        LocalCommand::Down { name, delete } => {
            let data = if *delete { Data::Delete } else { Data::Keep };
            local::down(&root, name, data).await.map(|there| match (there, delete) {
                (true, false) => format!("cluster {name} is stopped; its data are kept\n"),
                (true, true) => format!("cluster {name} is gone\n"),
                (false, _) => format!("there is no cluster {name}\n"),
            })
        }
        LocalCommand::List => list(&root),
    };
    match result {
        Ok(text) => {
            output.print(&text);
            Exit::Done
        }
        Err(d) => output.fault(d),
    }
}

async fn up(root: LocalRoot, name: &str, nodes: u32, timeout: Duration, output: &Output) -> Result<String, Diagnostic> {
    let begun = Instant::now();
    let new = local::find(&root, name)?.is_none();
    let spec = local::LocalSpec { deadline: timeout, ..local::LocalSpec::new(name) };
    let running = local::up(&root, &spec, &|text| output.say(text)).await?;
    if new && nodes > 0 && running.simulates_nodes {
        let pool = NodePoolState {
            name: "default".into(),
            count: nodes,
            milli_cpu: 8000,
            memory: 32 << 30,
            gpus: 0,
            labels: std::collections::BTreeMap::new(),
            taints: Vec::new(),
        };
        let drivers = Drivers::new(".", root.clone());
        drivers
            .ensure_cluster(name, &[pool], &Networks::default(), None, &|text| output.say(text))
            .await
            .map_err(|d| *d)?;
    }
    let kubectl = local::kubectl(&root).map_or_else(|| "kubectl".to_owned(), |p| p.display().to_string());
    let verb = if running.started { "is up" } else { "was up already" };
    Ok(format!(
        "cluster {name} {verb} after {:.1} s: Kubernetes {} at {}\nlook around: {kubectl} --kubeconfig {} get nodes\n",
        begun.elapsed().as_secs_f64(),
        running.version,
        running.server,
        running.kubeconfig.display()
    ))
}

fn list(root: &LocalRoot) -> Result<String, Diagnostic> {
    let clusters = local::list(root)?;
    if clusters.is_empty() {
        return Ok("no local clusters; make one with `skyplan local up NAME`\n".into());
    }
    let rows: Vec<Vec<String>> = clusters
        .iter()
        .map(|c| {
            let state = match &c.state {
                LocalState::Running => "running".to_owned(),
                LocalState::Stopped => "stopped".to_owned(),
                LocalState::Broken(why) => format!("broken: {why}"),
            };
            vec![
                c.name.clone(),
                state,
                c.version.clone().unwrap_or_default(),
                c.server.clone(),
                c.kubeconfig.display().to_string(),
            ]
        })
        .collect();
    Ok(columns(&rows, 0))
}
