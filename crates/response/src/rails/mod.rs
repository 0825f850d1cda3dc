//! Rails: what no playbook, no approval and no incident can ever ask for.
