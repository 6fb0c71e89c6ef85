//! `meridian kubeconfig`: how clients find a server.

use std::path::PathBuf;

use clap::Args;

use crate::output;

/// Print a kubeconfig for a server.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the server listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:6443")]
    server: String,
    /// The tenant whose objects the client sees [default: the operator's own].
    #[arg(long)]
    tenant: Option<String>,
    /// The certificate, in PEM, of the authority that signed the server's.
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if let Some(tenant) = &self.tenant {
            meridian_store::Tenant::new(tenant)?;
        }
        let authority = self.certificate_authority.as_ref().map(|path| path.display().to_string());
        let name = self.tenant.as_deref().unwrap_or("meridian");
        output::print(&meridian_api::kubeconfig(
            name,
            &self.server,
            self.tenant.as_deref(),
            authority.as_deref(),
        ))
    }
}
