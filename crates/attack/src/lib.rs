//! ATT&CK knowledge compiled in
