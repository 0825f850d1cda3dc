//! The pages: one folder each, with its `View`, its handlers and its template.

pub(crate) mod accounts;
pub(crate) mod answer;
pub(crate) mod approvals;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod overview;
