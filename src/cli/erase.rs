//! `expunged erase`: demands for erasure, from the day they come in to their answer.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::hold::subject;
use super::table::{length, local, print, table};
use super::{Exit, Failure, Format, Global, Outcome};
use crate::clock;
use crate::deployment::Deployment;
use crate::ledger::name::RoleName;
use crate::model::calendar::{Moment, Zone};
use crate::model::period::DeleteBy;
use crate::rules::rule::{Mode, OnErasure, Rule, Service};
use crate::state::{NewRequest, Request, RequestEnd, Role, State, coverage};
use crate::sweep::{Reached, reached};

pub(super) async fn request(
    global: &Global,
    service: &str,
    typed: &str,
    received: Option<DateTime<Utc>>,
    by: &RoleName,
) -> Outcome {
    let deployment = global.deployment()?;
    let service = deployment.service(service)?;
    if !service.rules.iter().any(disposes) {
        let what = format!(
            "service `{}` has no rule with `subject` and `on_erasure = \"dispose\"`: nothing of it could be found for a data subject",
            service.id
        );
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    }
    let now = clock::now();
    let received = received.unwrap_or(now);
    if received > now {
        let what = format!("the request would be received at {received}, which lies ahead");
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    }
    let deadline = service.calendar.deadline(&Moment::Instant(received), &DeleteBy::on_request());
    let deadline = deadline.ok_or_else(|| {
        let what = format!("a request of {received} has no deadline in the calendar");
        Failure::new(Exit::Usage, anyhow::anyhow!(what))
    })?;
    let subject = subject(typed)?;
    let mut state = deployment.state(Role::Orderer).await?;
    let covered = coverage(&service.rules);
    let new = NewRequest { service: &service.id, subject: &subject, received, deadline, covered, by };
    let request = state.request_erasure(&new).await?;
    show_one(global, &deployment, &mut state, &request).await
}

fn disposes(rule: &Rule) -> bool {
    rule.subject.as_ref().is_some_and(|subject| subject.on_erasure == OnErasure::Dispose)
}

/// `expunged erase list`.
pub(super) async fn list(global: &Global) -> Outcome {
    let requests = match global.state_if_any().await? {
        Some(mut state) => state.requests().await?,
        None => Vec::new(),
    };
    let now = clock::now();
    if global.format == Format::Json {
        println!("{}", json!({ "requests": requests.iter().map(object).collect::<Vec<_>>() }));
    } else if requests.is_empty() {
        println!("There are no erasure requests.");
    } else {
        let mut out =
            table(&["request", "service", "received (UTC)", "answer by (UTC)", "answered (UTC)"], 5);
        for request in &requests {
            let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S").to_string();
            let left = request.deadline - now;
            let open = if left < chrono::TimeDelta::zero() {
                format!("open, {} too late", length(left))
            } else {
                format!("open, {} left", length(left))
            };
            out.add_row(vec![
                request.id.to_string(),
                request.service.clone(),
                time(request.received),
                time(request.deadline),
                match request.end {
                    None => open,
                    Some(RequestEnd::Answered(entry, at)) => format!("{} (entry {entry})", time(at)),
                    Some(RequestEnd::Withdrawn(entry, at)) => {
                        format!("withdrawn {} (entry {entry})", time(at))
                    }
                },
            ]);
        }
        print(&out);
    }
    let late = requests.iter().any(|r| r.end.is_none() && r.deadline <= now);
    Ok(if late { Exit::Finding } else { Exit::Done })
}

/// `expunged erase show`.
pub(super) async fn show(global: &Global, id: &str) -> Outcome {
    let deployment = global.deployment()?;
    let mut state = deployment.state(Role::Beside).await?;
    let request = find(&mut state, id).await?;
    show_one(global, &deployment, &mut state, &request).await
}

/// `expunged erase withdraw`.
pub(super) async fn withdraw(global: &Global, id: &str, by: &RoleName) -> Outcome {
    let mut state = global.state(Role::Beside).await?;
    let request = find(&mut state, id).await?;
    let Some(entry) = state.withdraw_erasure(&request, by).await? else {
        let what = "the request is not open any more: it has been answered or withdrawn";
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    };
    match global.format {
        Format::Json => println!("{}", json!({ "request": id, "entry": entry.get() })),
        Format::Text => println!("Erasure request {id} is withdrawn (entry {entry})."),
    }
    Ok(Exit::Done)
}

async fn find(state: &mut State, id: &str) -> Result<Request, Failure> {
    let what = "there is no such request: `expunged erase list` shows all of them";
    let found = state.requests().await?.into_iter().find(|request| request.id.as_str() == id);
    found.ok_or_else(|| Failure::new(Exit::Usage, anyhow::anyhow!(what)))
}

/// The request is on record, whatever a look at its records comes to.
async fn show_one(global: &Global, deployment: &Deployment, state: &mut State, request: &Request) -> Outcome {
    let found = look(deployment, state, request).await;
    match global.format {
        Format::Json => {
            let mut object = object(request);
            object["rules"] = match &found {
                Ok((_, found)) => found.iter().map(|(rule, reached)| reached_object(rule, reached)).collect(),
                Err(_) => serde_json::Value::Null,
            };
            object["error"] = found.as_ref().err().map(Failure::text).into();
            println!("{object}");
        }
        Format::Text => text(request, &found),
    }
    Ok(found.map_or_else(|failure| failure.exit(), |_| Exit::Done))
}

/// What of it is there, under every rule of its service that knows its data subjects.
async fn look<'d>(deployment: &'d Deployment, state: &mut State, request: &Request) -> Found<'d> {
    let service = deployment.service(&request.service)?;
    let rules: Vec<&Rule> = service.rules.iter().collect();
    let found = match state.subject(request)? {
        Some(subject) => reached(&rules, &deployment.config.datastores, &subject).await?,
        None => Vec::new(),
    };
    Ok((service, found))
}

type Found<'d> = Result<(&'d Service, Vec<(&'d Rule, Reached)>), Failure>;

fn text(request: &Request, found: &Found<'_>) {
    let zone = found.as_ref().map_or(Zone::utc(), |(service, _)| service.calendar.zone());
    println!("Erasure request {} (entry {}), {}.", request.id, request.requested, request.service);
    println!("  received   {}", local(request.received, zone));
    println!("  answer by  {}", local(request.deadline, zone));
    match request.end {
        Some(RequestEnd::Answered(entry, at)) => {
            println!("  answered   {} (entry {entry}); whom it was about is forgotten", local(at, zone));
        }
        Some(RequestEnd::Withdrawn(entry, at)) => {
            println!("  withdrawn  {} (entry {entry}); whom it was about is forgotten", local(at, zone));
        }
        None => println!(
            "  answered   not yet: each rule that is enforced disposes of its records in its next sweep"
        ),
    }
    match found {
        Ok((service, found)) if !found.is_empty() => reach(service, found),
        Ok(_) => {}
        Err(failure) => eprintln!("what it reaches cannot be said: {}", failure.text()),
    }
}

fn reach(service: &Service, found: &[(&Rule, Reached)]) {
    let mut out = table(&["rule", "dataset", "records", "what happens"], 2);
    for (rule, reached) in found {
        let happens = match &reached.kept {
            Some(reason) => format!("kept: {reason}"),
            None if reached.left == 0 => "nothing is left".to_owned(),
            None if rule.mode == Mode::Observe => {
                "stays, and the request open: the rule only observes".to_owned()
            }
            None => "disposed of in the next sweep, once no hold and no `unless` keeps it".to_owned(),
        };
        out.add_row(vec![
            rule.id.to_string(),
            rule.dataset.name().to_owned(),
            reached.left.to_string(),
            happens,
        ]);
    }
    print(&out);
    let unknowing = service.rules.iter().filter(|rule| rule.subject.is_none());
    let unknowing: Vec<String> = unknowing.map(|rule| rule.id.to_string()).collect();
    if !unknowing.is_empty() {
        println!(
            "These rules do not know their data subjects, and are not reached: {}.",
            unknowing.join(", ")
        );
    }
}

fn object(request: &Request) -> serde_json::Value {
    let (answered, withdrawn) = match request.end {
        None => (None, None),
        Some(RequestEnd::Answered(entry, at)) => (Some((entry, at)), None),
        Some(RequestEnd::Withdrawn(entry, at)) => (None, Some((entry, at))),
    };
    json!({
        "request": request.id.as_str(), "entry": request.requested.get(), "service": request.service,
        "received": request.received.to_rfc3339(), "deadline": request.deadline.to_rfc3339(),
        "answered": answered.map(|(_, at)| at.to_rfc3339()),
        "answered_entry": answered.map(|(entry, _)| entry.get()),
        "withdrawn": withdrawn.map(|(_, at)| at.to_rfc3339()),
        "withdrawn_entry": withdrawn.map(|(entry, _)| entry.get()),
    })
}

fn reached_object(rule: &Rule, reached: &Reached) -> serde_json::Value {
    json!({
        "rule": rule.id.to_string(), "dataset": rule.dataset.name(), "records": reached.left, "kept": reached.kept,
    })
}
