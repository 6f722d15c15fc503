//! `agent_check`.

use super::Connect;

/// `agent_check`: an agent on the server says in words how it is. HAProxy: `agent-check`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentCheck {
    /// How the connection is made.
    pub connect: Connect,
    /// Sent first; may be empty. HAProxy: `agent-send`.
    pub send: Vec<u8>,
}
