//! Both meta stores give the same answers.

use forebay_store::{MemoryMeta, MetaOp, MetaStore, SledMeta};

fn put(tree: &str, key: &[u8], value: &[u8]) -> MetaOp {
    MetaOp::Put { tree: tree.into(), key: key.to_vec(), value: value.to_vec() }
}

fn conforms(meta: &dyn MetaStore) {
    assert_eq!(meta.get("a", b"k").unwrap(), None);
    assert_eq!(meta.list("a", b"").unwrap(), []);
    let batch = vec![
        put("a", b"k1", b"one"),
        put("a", b"k2", b"two"),
        put("b", b"k1", b"other tree"),
        put("a", b"k1", b"later wins"),
        MetaOp::Delete { tree: "a".into(), key: b"k2".to_vec() },
        MetaOp::Delete { tree: "a".into(), key: b"never was".to_vec() },
        put("a", b"l", b""),
    ];
    meta.apply(batch).unwrap();
    assert_eq!(meta.get("a", b"k1").unwrap(), Some(b"later wins".to_vec()));
    assert_eq!(meta.get("a", b"k2").unwrap(), None);
    assert_eq!(meta.get("a", b"l").unwrap(), Some(vec![]));
    meta.put("a", b"k0", b"zero").unwrap();
    let keys = |prefix: &[u8]| meta.list("a", prefix).unwrap().into_iter().map(|(k, _)| k).collect::<Vec<_>>();
    assert_eq!(keys(b"k"), [b"k0".to_vec(), b"k1".to_vec()]);
    assert_eq!(keys(b""), [b"k0".to_vec(), b"k1".to_vec(), b"l".to_vec()]);
    meta.delete("b", b"k1").unwrap();
    assert_eq!(meta.list("b", b"").unwrap(), []);
    assert!(meta.put("a", &[0; 2000], b"").is_err());
}

#[test]
fn memory_conforms() {
    conforms(&MemoryMeta::new());
}

#[test]
fn sled_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&SledMeta::open(&folder.path().join("meta")).unwrap());
}
