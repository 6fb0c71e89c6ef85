//! The kubeconfig with which `kubectl` and other clients find the server.

use serde_json::json;

use super::yaml;

/// A kubeconfig of one cluster, one user without credentials and one context, all named `name`.
///
/// `server` is the server's URL without a path, such as `http://127.0.0.1:6443`. With a `tenant` the client sees that
/// tenant's objects and nothing else, otherwise those of the tenant `system`. `certificate_authority` is the file, in PEM,
/// of the authority that signed the server's certificate, where that is none the machine trusts anyway.
#[must_use]
pub fn kubeconfig(
    name: &str,
    server: &str,
    tenant: Option<&str>,
    certificate_authority: Option<&str>,
) -> String {
    let mut url = server.trim_end_matches('/').to_owned();
    if let Some(tenant) = tenant {
        url.push_str("/tenants/");
        url.push_str(tenant);
    }
    let mut cluster = json!({ "server": url });
    if let Some(file) = certificate_authority {
        cluster["certificate-authority"] = json!(file);
    }
    yaml::to_yaml(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": name, "user": {} }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_the_tenant_and_the_authority_are_in_it() {
        let text = kubeconfig("meridian", "https://127.0.0.1:6443/", Some("blue"), Some("/etc/ca.pem"));
        assert!(text.contains("server: \"https://127.0.0.1:6443/tenants/blue\"\n"), "{text}");
        assert!(text.contains("certificate-authority: \"/etc/ca.pem\""), "{text}");
        assert!(text.contains("current-context: meridian\n"), "{text}");
        assert!(!kubeconfig("m", "http://[::1]:1", None, None).contains("tenants"));
    }
}
