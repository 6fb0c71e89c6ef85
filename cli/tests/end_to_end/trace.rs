//! Small traces.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::folder::Folder;

/// Two hosts of 4 processors and 8 GiB.
pub(crate) const HOSTS: &str = "name,cpu_milli,memory\n\
    alpha,4000,8589934592\n\
    beta,4000,8589934592\n";

/// Three small pods.
pub(crate) const PODS: &str = "name,tenant,arrival_ms,duration_ms,cpu_milli,memory\n\
    one,red,0,60000,1000,1073741824\n\
    two,blue,1000,60000,2000,1073741824\n\
    three,red,2000,,500,1073741824\n";

/// Two hosts of the openb table, with four GPUs and with one.
pub(crate) const OPENB_HOSTS: &str = "sn,cpu_milli,memory_mib,gpu,model\n\
    gpu-0,96000,393216,4,V100M32\n\
    gpu-1,64000,262144,1,T4\n";

/// Four pods of the openb table: half a GPU, a whole one, two, and a T4.
pub(crate) const OPENB_PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n\
    half,4000,8192,1,500,,LS,Running,0,100,1\n\
    whole,8000,16384,1,1000,,LS,Running,10,200,11\n\
    double,16000,32768,2,1000,,LS,Running,20,,21\n\
    picky,4000,8192,1,1000,T4,BE,Succeeded,30,90,31\n";

/// A job log of three jobs: number, submit time, wait, run time, processors, ...
pub(crate) const LOG: &str = "; Version: 2.2\n\
    ; Computer: made up\n\
    1 0 -1 3600 4 -1 -1 4 -1 -1 1 7 1 -1 -1 -1 -1 -1\n\
    2 60 -1 1800 8 -1 -1 8 -1 -1 1 7 2 -1 -1 -1 -1 -1\n\
    3 90 -1 600 2 -1 -1 2 -1 -1 1 8 2 -1 -1 -1 -1 -1\n";

/// A folder with `hosts.csv` and `pods.csv`.
pub(crate) fn tables(hosts: &str, pods: &str) -> Folder {
    let folder = Folder::new();
    folder.write("hosts.csv", hosts).write("pods.csv", pods);
    folder
}

/// A folder with `nodes.csv` and `pods.csv` as the openb trace has them.
pub(crate) fn openb(hosts: &str, pods: &str) -> Folder {
    let folder = Folder::new();
    folder.write("nodes.csv", hosts).write("pods.csv", pods);
    folder
}

/// A folder with `log.swf`.
pub(crate) fn log(log: &str) -> Folder {
    let folder = Folder::new();
    folder.write("log.swf", log);
    folder
}

pub(crate) fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_bytes()).expect("compressing into memory");
    encoder.finish().expect("compressing into memory")
}
