//! What all handlers share: the node's gifts, the hub of live updates, the login limits.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::App;
use crate::auth::limit::LoginLimit;
use crate::auth::password::Cost;
use crate::edge::Hosts;
use crate::live::Hub;

/// Password hashes computed at once: each takes 19 MiB.
const HASHING_MAX: usize = 2;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

/// What is shared.
pub(crate) struct Inner {
    pub(crate) app: App,
    pub(crate) hub: Hub,
    pub(crate) hosts: Hosts,
    /// Turns true once, when the console stops.
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) logins: LoginLimit,
    pub(crate) cost: Cost,
    pub(crate) hashing: Semaphore,
    /// Held while the first account is made, so that a token makes one only.
    pub(crate) setup: tokio::sync::Mutex<()>,
}

impl Shared {
    /// For a console bound to `bound`.
    pub(crate) fn new(app: App, bound: SocketAddr, cost: Cost) -> Self {
        let start = u64::try_from(app.clock.now().micros()).unwrap_or(0);
        Self(Arc::new(Inner {
            app,
            hub: Hub::new(start),
            hosts: Hosts::new(bound),
            closing: watch::Sender::new(false),
            logins: LoginLimit::default(),
            cost,
            hashing: Semaphore::new(HASHING_MAX),
            setup: tokio::sync::Mutex::new(()),
        }))
    }
}

impl Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Locks; a value whose holder panicked is still a count or a number, and goes on.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
