//! Gates: who must agree before a step acts. One pure table (guide 04, section 7).
