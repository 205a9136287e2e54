//! `s3s-server PORT ACCESS-KEY SECRET-KEY FOLDER`: the folder's folders as buckets, on 127.0.0.1.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, access_key, secret_key, folder] = args.as_slice() else { panic!("four arguments") };
    let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).expect("a folder"));
    builder.set_auth(SimpleAuth::from_single(access_key.as_str(), secret_key.as_str()));
    let service = builder.build();
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).await.expect("a free port");
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
            tokio::spawn(async {
                let _ = connection.await;
            });
        }
    });
}
