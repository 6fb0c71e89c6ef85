//! Pods.

use serde_json::json;

use super::{a_pod, refused};
use crate::table::pod;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
    and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

#[test]
fn containers() {
    let bad_name = format!("spec.containers[0].name: Invalid value: \"Main\": {LABEL}");
    refused(
        pod(),
        &a_pod(),
        &[
            ("/spec/containers", json!([]), &["spec.containers: Required value"]),
            ("/spec/containers/0/name", json!(null), &["spec.containers[0].name: Required value"]),
            ("/spec/containers/0/name", json!("Main"), &[&bad_name]),
            (
                "/spec/containers/0/name",
                json!("a.b"),
                &["spec.containers[0].name: Invalid value: \"a.b\": must not contain dots"],
            ),
            (
                "/spec/initContainers/0/name",
                json!("main"),
                &["spec.initContainers[0].name: Duplicate value: \"main\""],
            ),
            ("/spec/containers/0/image", json!(null), &["spec.containers[0].image: Required value"]),
            (
                "/spec/containers/0/image",
                json!(" web"),
                &[
                    "spec.containers[0].image: Invalid value: \" web\": must not have leading or trailing whitespace",
                ],
            ),
            (
                "/spec/containers/0/imagePullPolicy",
                json!("Sometimes"),
                &[
                    "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \
             \"IfNotPresent\", \"Never\"",
                ],
            ),
            (
                "/spec/containers/0/restartPolicy",
                json!("Always"),
                &["spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers"],
            ),
            (
                "/spec/initContainers/0/restartPolicy",
                json!("Never"),
                &[
                    "spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
                ],
            ),
            (
                "/spec/initContainers/0/livenessProbe",
                json!({"tcpSocket": {"port": 1}}),
                &[
                    "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without \
             restartPolicy=Always",
                ],
            ),
            (
                "/spec/ephemeralContainers",
                json!([{"name": "debug", "image": "shell", "ports": [{"containerPort": 1}]}]),
                &[
                    "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
                    "spec.ephemeralContainers: Forbidden: cannot be set on create",
                ],
            ),
        ],
    );
}

#[test]
fn ports_and_environment() {
    refused(
        pod(),
        &a_pod(),
        &[
            (
                "/spec/containers/0/ports/0/containerPort",
                json!(0),
                &["spec.containers[0].ports[0].containerPort: Required value"],
            ),
            (
                "/spec/containers/0/ports/0/containerPort",
                json!(70000),
                &[
                    "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
                ],
            ),
            (
                "/spec/containers/0/ports/0/name",
                json!("h--p"),
                &[
                    "spec.containers[0].ports[0].name: Invalid value: \"h--p\": must not contain consecutive hyphens",
                ],
            ),
            (
                "/spec/containers/0/ports/0/protocol",
                json!("ICMP"),
                &[
                    "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \
             \"UDP\"",
                ],
            ),
            (
                "/spec/containers/0/ports/-",
                json!({"name": "http", "containerPort": 81, "hostPort": 8080, "protocol": "TCP"}),
                &[
                    "spec.containers[0].ports[1].name: Duplicate value: \"http\"",
                    "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//8080\"",
                ],
            ),
            (
                "/spec/hostNetwork",
                json!(true),
                &[
                    "spec.containers[0].ports[0].hostPort: Invalid value: 8080: must match `containerPort` when `hostNetwork` is \
             true",
                ],
            ),
            (
                "/spec/containers/0/env/0/name",
                json!("A=B"),
                &[
                    "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only \
             of printable ASCII characters other than '='",
                ],
            ),
            (
                "/spec/containers/0/env/0/valueFrom",
                json!({"secretKeyRef": {"name": "s", "key": "k"}}),
                &[
                    "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
                ],
            ),
            (
                "/spec/containers/0/env/-",
                json!({"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}),
                &[
                    "spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.foo\": error converting \
             fieldPath: field label not supported: spec.foo",
                ],
            ),
            (
                "/spec/containers/0/env/-",
                json!({"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": ".."}}}),
                &[
                    "spec.containers[0].env[1].valueFrom.configMapKeyRef.key: Invalid value: \"..\": must not be '..'",
                ],
            ),
            (
                "/spec/containers/0/env/-",
                json!({"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.x"}}}),
                &[
                    "spec.containers[0].env[1].valueFrom.resourceFieldRef.resource: Unsupported value: \"limits.x\": supported \
             values: \"limits.cpu\", \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", \
             \"requests.ephemeral-storage\", \"requests.memory\"",
                ],
            ),
            (
                "/spec/containers/0/envFrom",
                json!([{}]),
                &[
                    "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
                ],
            ),
        ],
    );
}

#[test]
fn resources() {
    refused(
        pod(),
        &a_pod(),
        &[
            (
                "/spec/containers/0/resources/requests/cpu",
                json!("2"),
                &[
                    "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
                ],
            ),
            (
                "/spec/containers/0/resources/requests/cpu",
                json!("-1"),
                &[
                    "spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
                ],
            ),
            (
                "/spec/containers/0/resources/limits/disk",
                json!("1"),
                &[
                    "spec.containers[0].resources.limits[disk]: Invalid value: \"disk\": must be a standard resource for \
             containers",
                ],
            ),
            (
                "/spec/containers/0/resources/requests/example.com~1gpu",
                json!("1"),
                &[
                    "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
                ],
            ),
            (
                "/spec/containers/0/resources/limits/example.com~1gpu",
                json!("500m"),
                &[
                    "spec.containers[0].resources.limits[example.com/gpu]: Invalid value: \"500m\": must be an integer",
                ],
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"hugepages-2Mi": "2Mi"}, "requests": {"hugepages-2Mi": "2Mi"}}),
                &["spec.containers[0].resources: Forbidden: HugePages require cpu or memory"],
            ),
            (
                "/spec/containers/0/resources/claims",
                json!([{"name": "gpu"}]),
                &["spec.containers[0].resources.claims[0]: Not found: \"gpu\""],
            ),
            (
                "/spec/containers/0/resizePolicy",
                json!([{"resourceName": "disk", "restartPolicy": "NotRequired"}]),
                &[
                    "spec.containers[0].resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"",
                ],
            ),
            (
                "/spec/resourceClaims",
                json!([{"name": "gpu"}]),
                &[
                    "spec.resourceClaims[0]: Invalid value: {\"name\":\"gpu\"}: must specify one of: `resourceClaimName`, \
             `resourceClaimTemplateName`",
                ],
            ),
        ],
    );
}

#[test]
fn volumes() {
    refused(
        pod(),
        &a_pod(),
        &[
            (
                "/spec/volumes/0/name",
                json!("other"),
                &["spec.containers[0].volumeMounts[0].name: Not found: \"data\""],
            ),
            ("/spec/volumes/1/name", json!("data"), &["spec.volumes[1].name: Duplicate value: \"data\""]),
            (
                "/spec/volumes/0/emptyDir",
                json!(null),
                &["spec.volumes[0]: Required value: must specify a volume type"],
            ),
            (
                "/spec/volumes/0/hostPath",
                json!({"path": "/x", "type": ""}),
                &["spec.volumes[0].hostPath: Forbidden: may not specify more than one volume type"],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "hostPath": {"path": "/../x", "type": "Thing"}}),
                &[
                    "spec.volumes[1].hostPath.type: Unsupported value: \"Thing\": supported values: \"BlockDevice\", \
             \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
                    "spec.volumes[1].hostPath.path: Invalid value: \"/../x\": must not contain '..'",
                ],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "secret": {"defaultMode": 512}}),
                &[
                    "spec.volumes[1].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both \
             inclusive",
                    "spec.volumes[1].secret.secretName: Required value",
                ],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "/x"}]}}),
                &["spec.volumes[1].configMap.items[0].path: Invalid value: \"/x\": must be a relative path"],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "downwardAPI": {"items": [{"path": "x"}]}}),
                &[
                    "spec.volumes[1].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required",
                ],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "t", "expirationSeconds": 60}},
                ]}}),
                &[
                    "spec.volumes[1].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not \
             specify a duration less than 10 minutes",
                ],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "nfs": {"server": "s", "path": "x"}}),
                &["spec.volumes[1].nfs.path: Invalid value: \"x\": must be an absolute path"],
            ),
            (
                "/spec/containers/0/volumeMounts/-",
                json!({"name": "claim", "mountPath": "/data", "subPath": "../x"}),
                &[
                    "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/data\": must be unique",
                    "spec.containers[0].volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'",
                ],
            ),
            (
                "/spec/containers/0/volumeMounts/0/mountPropagation",
                json!("Bidirectional"),
                &[
                    "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available \
             only to privileged containers",
                ],
            ),
            (
                "/spec/containers/0/volumeDevices",
                json!([{"name": "data", "devicePath": "/dev/x"}]),
                &[
                    "spec.containers[0].volumeMounts[0].name: Invalid value: \"data\": must not already exist in volumeDevices",
                    "spec.containers[0].volumeDevices[0].name: Invalid value: \"data\": can only use volume source type of \
             PersistentVolumeClaim or Ephemeral for block mode",
                ],
            ),
        ],
    );
}

#[test]
fn probes_and_hooks() {
    refused(
        pod(),
        &a_pod(),
        &[
            (
                "/spec/containers/0/readinessProbe/httpGet",
                json!(null),
                &["spec.containers[0].readinessProbe: Required value: must specify a handler type"],
            ),
            (
                "/spec/containers/0/readinessProbe/exec",
                json!({"command": ["true"]}),
                &[
                    "spec.containers[0].readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
                ],
            ),
            (
                "/spec/containers/0/readinessProbe/httpGet/port",
                json!(null),
                &[
                    "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
                ],
            ),
            (
                "/spec/containers/0/readinessProbe/initialDelaySeconds",
                json!(-1),
                &[
                    "spec.containers[0].readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0",
                ],
            ),
            (
                "/spec/containers/0/readinessProbe/terminationGracePeriodSeconds",
                json!(5),
                &[
                    "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for \
             readinessProbes",
                ],
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({"exec": {"command": []}, "successThreshold": 2}),
                &[
                    "spec.containers[0].livenessProbe.exec.command: Required value",
                    "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
                ],
            ),
            (
                "/spec/containers/0/lifecycle",
                json!({"preStop": {"sleep": {"seconds": 31}}}),
                &[
                    "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than \
             terminationGracePeriodSeconds (30)",
                ],
            ),
        ],
    );
}

#[test]
fn specification() {
    refused(
        pod(),
        &a_pod(),
        &[
            ("/spec", json!(null), &["spec.containers: Required value"]),
            (
                "/spec/restartPolicy",
                json!("Maybe"),
                &[
                    "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\"",
                ],
            ),
            (
                "/spec/activeDeadlineSeconds",
                json!(0),
                &[
                    "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
                ],
            ),
            (
                "/spec/hostname",
                json!("a.b"),
                &["spec.hostname: Invalid value: \"a.b\": must not contain dots"],
            ),
            (
                "/spec/dnsPolicy",
                json!("None"),
                &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
            ),
            (
                "/spec/dnsConfig",
                json!({"nameservers": ["1.1.1.1", "x"], "options": [{}]}),
                &[
                    "spec.dnsConfig.nameservers[1]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or \
             2001:db8::ffff)",
                    "spec.dnsConfig.options[0]: Required value: must not be empty",
                ],
            ),
            (
                "/spec/hostAliases",
                json!([{"ip": "10.0.0.300"}]),
                &[
                    "spec.hostAliases[0].ip: Invalid value: \"10.0.0.300\": must be a valid IP address, (e.g. 10.9.8.7 or \
             2001:db8::ffff)",
                ],
            ),
            (
                "/spec/schedulingGates",
                json!([{"name": "a"}, {"name": "a"}]),
                &["spec.schedulingGates[1]: Duplicate value: \"a\""],
            ),
            (
                "/spec/overhead",
                json!({"cpu": "-1"}),
                &["spec.overhead[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"],
            ),
            (
                "/spec/os",
                json!({"name": "plan9"}),
                &["spec.os.name: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\""],
            ),
            ("/spec/shareProcessNamespace", json!(true), &[]),
            (
                "/metadata/annotations/kubernetes.io~1config.mirror",
                json!("x"),
                &[
                    "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror \
             pod annotation is set",
                ],
            ),
        ],
    );
}

#[test]
fn security() {
    refused(
        pod(),
        &a_pod(),
        &[
            (
                "/spec/securityContext",
                json!({"runAsUser": -1, "sysctls": [{"name": "A", "value": "1"}]}),
                &[
                    "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                    "spec.securityContext.sysctls[0].name: Invalid value: \"A\": must have at most 253 characters and match regex \
             ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
                ],
            ),
            (
                "/spec/securityContext",
                json!({"supplementalGroups": [-1]}),
                &[
                    "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                ],
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"privileged": true, "allowPrivilegeEscalation": false}),
                &["spec.containers[0].securityContext: Invalid value: \
             {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and \
             `privileged` to true"],
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"seccompProfile": {"type": "Localhost"}}),
                &[
                    "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when \
             seccomp type is Localhost",
                ],
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"procMount": "Unmasked"}),
                &[
                    "spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use \
             `Unmasked`",
                ],
            ),
            ("/spec/os", json!({"name": "windows"}), &[]),
            ("/spec/hostUsers", json!(false), &[]),
        ],
    );
    let mut pod_on_host = a_pod();
    pod_on_host["spec"]["hostPID"] = json!(true);
    refused(
        pod(),
        &pod_on_host,
        &[
            (
                "/spec/hostUsers",
                json!(false),
                &["spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false"],
            ),
            (
                "/spec/shareProcessNamespace",
                json!(true),
                &[
                    "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
                ],
            ),
            (
                "/spec/os",
                json!({"name": "windows"}),
                &["spec.hostPID: Forbidden: cannot be set for a windows pod"],
            ),
        ],
    );
}

#[test]
fn affinity_and_tolerations() {
    let required = |terms| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}});
    let anti = |term| json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let terms = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let anti_terms = "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    let weight = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight";
    refused(
        pod(),
        &a_pod(),
        &[
            ("/spec/affinity", required(json!({})), &[&format!("{terms}: Required value")]),
            (
                "/spec/affinity",
                required(
                    json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Like"}]}]}),
                ),
                &[&format!(
                    "{terms}[0].matchExpressions[0].operator: Invalid value: \"Like\": not a valid selector operator"
                )],
            ),
            (
                "/spec/affinity",
                required(
                    json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}),
                ),
                &[&format!(
                    "{terms}[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
                )],
            ),
            (
                "/spec/affinity",
                required(json!({"nodeSelectorTerms": [{"matchFields": [
            {"key": "spec.x", "operator": "In", "values": ["a"]}]}]})),
                &[&format!(
                    "{terms}[0].matchFields[0].key: Invalid value: \"spec.x\": not a valid field selector key"
                )],
            ),
            (
                "/spec/affinity",
                json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 101, "preference": {}}]}}),
                &[&format!("{weight}: Invalid value: 101: must be in the range 1-100")],
            ),
            (
                "/spec/affinity",
                anti(json!({"labelSelector": {}})),
                &[&format!("{anti_terms}.topologyKey: Required value")],
            ),
            (
                "/spec/affinity",
                anti(json!({"topologyKey": "zone", "matchLabelKeys": ["app"]})),
                &[&format!(
                    "{anti_terms}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"
                )],
            ),
            (
                "/spec/affinity",
                anti(json!({"topologyKey": "zone", "labelSelector": {"matchExpressions": [
            {"key": "a", "operator": "Exists", "values": ["x"]}]}})),
                &[&format!(
                    "{anti_terms}.labelSelector.matchExpressions[0].values: Forbidden: may not be specified when \
                      `operator` is 'Exists' or 'DoesNotExist'"
                )],
            ),
            (
                "/spec/tolerations/0",
                json!({"operator": "Equal", "value": "x"}),
                &[
                    "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which \
             means \"match all values and all keys\"",
                ],
            ),
            (
                "/spec/tolerations/0",
                json!({"key": "a", "operator": "Exists", "value": "x", "effect": "Never"}),
                &[
                    "spec.tolerations[0].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", \"NoSchedule\", \
             \"PreferNoSchedule\"",
                    "spec.tolerations[0].operator: Invalid value: \"x\": value must be empty when `operator` is 'Exists'",
                ],
            ),
            (
                "/spec/tolerations/0",
                json!({"key": "a", "operator": "Exists", "tolerationSeconds": 1}),
                &[
                    "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
                ],
            ),
            (
                "/spec/topologySpreadConstraints",
                json!([
                    {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2},
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
                ]),
                &[
                    "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than 0",
                    "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if \
             whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
                    "spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{zone, \
             ScheduleAnyway}\"",
                ],
            ),
        ],
    );
}
