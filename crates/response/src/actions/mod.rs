//! Actions: one file each, with what it does, whom it may hurt, and how it is undone.
