//! JSON-RPC 2.0: batches, notifications, errors, and the server.
