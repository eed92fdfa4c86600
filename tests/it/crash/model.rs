//! What must be there, known from what the application was told by its own commits.

use std::collections::BTreeMap;

/// The shop as it must be. An account with a due trigger may be gone at any time; the rest is there exactly as it is here.
#[derive(Debug, Default, Clone)]
pub struct Model {
    /// Accounts that are not known to be gone, and their `deleted_at`.
    pub accounts: BTreeMap<i64, Option<String>>,
    /// How often the record with this key was disposed of, where it was. It is the life that the key is in, too.
    pub disposals: BTreeMap<i64, u32>,
    /// Sessions ever there: their account, and in which life of it.
    pub sessions: BTreeMap<i64, (i64, u32)>,
    /// Devices ever there: their session.
    pub devices: BTreeMap<i64, i64>,
    /// Comments: their author, and in which life of it.
    pub comments: BTreeMap<i64, (i64, u32)>,
}

/// Deleted in 2020, at a time that exists.
pub fn is_due(trigger: Option<&str>) -> bool {
    trigger.is_some_and(|t| t.starts_with("2020-") && !t.starts_with("2020-02-31"))
}

impl Model {
    pub fn life(&self, account: i64) -> u32 {
        self.disposals.get(&account).copied().unwrap_or(0)
    }

    /// The application saw that a due account is gone.
    #[track_caller]
    pub fn gone(&mut self, account: i64) {
        let was = self.accounts.remove(&account);
        assert!(is_due(was.flatten().as_deref()), "account {account} is gone and was not due");
        *self.disposals.entry(account).or_default() += 1;
    }

    /// After a sweep to the end with nobody else writing, all that is due is gone.
    pub fn swept(mut self) -> Self {
        let due: Vec<i64> =
            self.accounts.iter().filter(|(_, t)| is_due(t.as_deref())).map(|(id, _)| *id).collect();
        for account in due {
            self.gone(account);
        }
        self
    }

    /// Whether what hung on this life of an account went with it.
    pub fn is_over(&self, (account, life): (i64, u32)) -> bool {
        life < self.life(account)
    }

    /// How often each record of each dataset was disposed of.
    pub fn disposed(&self) -> BTreeMap<(&'static str, i64), u32> {
        let mut all = BTreeMap::new();
        all.extend(self.disposals.iter().map(|(id, n)| (("account", *id), *n)));
        let over = |hangs: &BTreeMap<i64, (i64, u32)>| {
            hangs.iter().filter(|(_, on)| self.is_over(**on)).map(|(id, _)| *id).collect::<Vec<_>>()
        };
        all.extend(over(&self.sessions).into_iter().map(|id| (("session", id), 1)));
        all.extend(over(&self.comments).into_iter().map(|id| (("comment", id), 1)));
        let devices = self.devices.iter().filter(|(_, session)| self.is_over(self.sessions[session]));
        all.extend(devices.map(|(id, _)| (("device", *id), 1)));
        all
    }
}
