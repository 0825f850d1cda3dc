//! Incidents to plans to receipts: playbooks, gates, engine, rails
