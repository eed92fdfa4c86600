//! `[[promise]]`.

use super::word;
use crate::diagnostic::Code;
use crate::diagnostic::reader::{Cursor, Entry};
use crate::model::name::{ClassName, PromiseId};
use crate::model::period::{DeleteBy, Retain};
use crate::rules::rule::Promise;

pub fn promise(mut table: Cursor<'_>) -> Option<Promise> {
    let id = table.required("id").and_then(|e| word::name(&e, PromiseId::new));
    let text = table.required("text").and_then(|e| e.sentence());
    let source = table.required("source").and_then(|e| e.sentence());
    let trigger = table.required("trigger").and_then(|e| e.sentence());
    let covers = table.required("covers").and_then(|e| word::some_names(&e, ClassName::new));
    let bounds = bounds(&mut table);
    let decision = table.optional("decision").and_then(|e| e.sentence());
    let except = table.optional("except").and_then(|e| e.sentence());
    let places = table.places();
    table.finish();
    let bounds = bounds?;
    Some(Promise {
        id: id?,
        text: text?,
        source: source?,
        trigger: trigger?,
        not_before: bounds.not_before,
        no_later_than: bounds.no_later_than,
        on_request: bounds.on_request,
        decision,
        except,
        covers: covers?,
        places,
    })
}

struct Bounds {
    not_before: Option<Retain>,
    no_later_than: Option<DeleteBy>,
    on_request: bool,
}

fn bounds(table: &mut Cursor<'_>) -> Option<Bounds> {
    let (not_before, no_later_than) = (table.optional("not_before"), table.optional("no_later_than"));
    let request = table.optional("on_request");
    let on_request = request.as_ref().map_or(Some(false), Entry::boolean)?;
    if let Some(entry) = request.as_ref().filter(|_| !on_request) {
        entry.refuse(Code::BadValue, "`on_request = false` says nothing", "remove it");
        return None;
    }
    if let Some(entry) = no_later_than.as_ref().filter(|_| on_request) {
        entry.refuse(
            Code::Conflict,
            format!("`on_request` already means no later than {} after the request", DeleteBy::on_request()),
            "remove one of them, or declare two promises",
        );
        return None;
    }
    if not_before.is_none() && no_later_than.is_none() && !on_request {
        table.refuse(
            Code::MissingKey,
            "the promise gives no bound",
            "write `no_later_than`, `not_before` or `on_request = true`; where the policy gives no figure, the \
             operator's stands here, with `decision = \"who, which figure, when\"`",
        );
        return None;
    }
    let not_before = not_before.as_ref().and_then(word::retain);
    let no_later_than = if on_request {
        Some(DeleteBy::on_request())
    } else {
        no_later_than.as_ref().and_then(word::delete_by)
    };
    Some(Bounds { not_before, no_later_than, on_request })
}
