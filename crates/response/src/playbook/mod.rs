//! Playbooks: the language, its check, its explanation, and the plan that it makes of an incident.
