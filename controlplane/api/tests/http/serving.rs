//! The server as such: what it refuses to serve on, what it takes in, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use meridian_api::{ServeError, ServeLimits};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::client;
use crate::region::{CONFIG_MAPS, PODS, Region, config_map, pod, request};

/// What a raw connection is answered, up to its end.
async fn raw(region: &Region, text: &str) -> String {
    let mut stream = TcpStream::connect(region.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn impatient() -> ServeLimits {
    ServeLimits {
        patience: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        grace: Duration::from_millis(200),
        ..ServeLimits::default()
    }
}

#[tokio::test]
async fn without_credentials_only_loopback_is_served() {
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let region = Region::start_with(|options| options.listener = open).await;
    let error = region.serving.await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback { .. }));
    assert!(error.to_string().contains("listen on a loopback address, such as 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_unread() {
    let region = Region::start().await;
    // 100 MB are announced, and the answer comes before any of it was sent.
    let mut stream = TcpStream::connect(region.address).await.unwrap();
    let head = format!(
        "POST {PODS} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    drop(stream);
    // A client that writes all of it first is told as well.
    let large = vec![b' '; 20_000_000];
    let answer = region.send("POST", PODS, &[("content-type", "application/json")], large).await;
    answer.refused(413, "RequestEntityTooLarge", "limit is 3145728");
    // So is one that does not say how much will come.
    let piece = format!("40000\r\n{}\r\n", " ".repeat(0x40000));
    let head = format!(
        "POST {PODS} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let answer = raw(&region, &format!("{head}{}0\r\n\r\n", piece.repeat(13))).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(region.get(PODS).await.at("/items"), json!([]));
}

#[tokio::test]
async fn half_a_body_is_waited_for_only_so_long() {
    let region = Region::start_with(|options| options.limits = impatient()).await;
    let half = format!(
        "POST {PODS} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    let answer = raw(&region, &half).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not arrive within"), "{answer}");
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let region = Region::start_with(|options| options.limits = impatient()).await;
    for beginning in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"] {
        let answer = raw(&region, beginning).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test]
async fn clients_that_take_nothing_are_left() {
    let region = Region::start_with(|options| options.limits = impatient()).await;
    let mut map = config_map("a");
    map["data"]["key"] = "x".repeat(1 << 20).into();
    for at in 0..12 {
        map["metadata"]["name"] = format!("m{at}").into();
        region.create(CONFIG_MAPS, &map).await;
    }
    let mut stream = TcpStream::connect(region.address).await.unwrap();
    stream
        .write_all(format!("GET {CONFIG_MAPS} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes())
        .await
        .unwrap();
    stream.readable().await.unwrap();
    let asking = "apiserver_connections 1\n";
    while !region.get("/metrics").await.text().contains(asking) {
        tokio::task::yield_now().await;
    }
    drop(stream);
}

#[tokio::test]
async fn headers_are_bounded() {
    let region = Region::start().await;
    let long = format!("GET {PODS} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(region.address).await.unwrap();
    // The server may close before all is written.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn requests_in_flight_are_answered_before_the_server_ends() {
    let (explainer, mut questions) = mpsc::channel(1);
    let region = Region::start_with(|options| options.explainer = Some(explainer)).await;
    region.create(PODS, &pod("a")).await;
    let path = format!("{PODS}/a/explanation");
    let asked = tokio::spawn(client::open(region.address, request("GET", &path, &[], "")));
    let question: meridian_api::ExplainRequest = questions.recv().await.unwrap();
    assert_eq!((question.tenant.is_system(), &*question.namespace, &*question.name), (true, "default", "a"));
    region.shutdown.cancel();
    while TcpStream::connect(region.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    question.reply.send(Ok(json!({ "because": "it fits" }))).unwrap();
    let answer = asked.await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, r#"{"because":"it fits"}"#);
    region.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_cut_off() {
    let (explainer, mut questions) = mpsc::channel(1);
    let region = Region::start_with(|options| {
        options.explainer = Some(explainer);
        options.limits = impatient();
    })
    .await;
    region.create(PODS, &pod("a")).await;
    let mut stream = TcpStream::connect(region.address).await.unwrap();
    stream
        .write_all(format!("GET {PODS}/a/explanation HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let question: Option<meridian_api::ExplainRequest> = questions.recv().await;
    region.shutdown.cancel();
    region.serving.await.unwrap().unwrap();
    drop(question);
}

#[tokio::test]
async fn an_explanation_needs_somebody_who_explains() {
    let region = Region::start().await;
    region.create(PODS, &pod("a")).await;
    let answer = region.get(&format!("{PODS}/a/explanation")).await;
    answer.refused(503, "ServiceUnavailable", "no scheduler is there");
    assert_eq!(answer.header("retry-after"), "1");
    region.post(&format!("{PODS}/a/explanation"), &json!({})).await.refused(
        405,
        "MethodNotAllowed",
        "does not allow",
    );
}

#[tokio::test]
async fn a_panic_in_a_request_does_not_end_the_server() {
    let grpc = axum::Router::new().fallback(async || -> &'static str { panic!("as this test wants") });
    let region = Region::start_with(|options| options.grpc = Some(grpc)).await;
    let answer = region.send("POST", "/service/Method", &[("content-type", "application/grpc")], "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(region.get("/livez").await.status, 200);
    assert!(region.get("/metrics").await.text().contains("apiserver_request_panics_total 1"));
}

#[tokio::test]
async fn grpc_is_on_the_same_port() {
    let grpc = axum::Router::new().fallback(async || "from the service");
    let region = Region::start_with(|options| options.grpc = Some(grpc)).await;
    let url = format!("http://{}/service/Method", region.address);
    let call = request("POST", &url, &[("content-type", "application/grpc+proto")], "");
    let answer = client::whole(client::open_http2(region.address, call).await).await;
    assert_eq!(answer.text(), "from the service");
    region.get("/service/Method").await.refused(404, "NotFound", "could not find");
}

#[tokio::test]
async fn tls_speaks_both_versions_of_http() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let config = meridian_api::tls(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes()).unwrap();
    let region = Region::start_with(|options| options.tls = Some(config)).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    for (protocol, version) in [(&b"h2"[..], http::Version::HTTP_2), (b"http/1.1", http::Version::HTTP_11)] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(region.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        let response = if version == http::Version::HTTP_2 {
            client::over_http2(stream, request("GET", "https://localhost/livez", &[], "")).await
        } else {
            client::over_http1(stream, request("GET", "/livez", &[], "")).await
        };
        assert_eq!((response.version(), response.status().as_u16()), (version, 200));
    }
    // Plain text is no TLS, and harms nobody.
    assert!(
        !raw(&region, "GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.starts_with("HTTP/1.1 200")
    );
}

#[test]
fn certificates_that_cannot_be_used() {
    use meridian_api::{TlsError, tls};
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap().signing_key;
    let (cert, key, other) = (cert.pem(), signing_key.serialize_pem(), other.serialize_pem());
    assert!(matches!(tls(b"", key.as_bytes()), Err(TlsError::Certificates(_))));
    assert!(matches!(tls(cert.as_bytes(), cert.as_bytes()), Err(TlsError::Key(_))));
    assert!(matches!(tls(cert.as_bytes(), other.as_bytes()), Err(TlsError::Unusable(_))));
}
