//! The web console: HTTP, SSE, server-rendered pages
