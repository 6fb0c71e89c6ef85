//! How one batch of records lies in the log, and how a torn frame is told from a damaged one.
//!
//! A frame is what one group commit writes before its one fdatasync: a header of 32 bytes, the body, and padding that
//! ends in a non-zero byte. It starts at a multiple of 32, so a header never straddles two sectors. The log's file is
//! zeros beyond its last frame, written and synced before use, and the next frame is written only after the sync of
//! the one before. So a crash can only harm the last frame, and only by leaving parts of it as the zeros they were.
//! That gives the rule, for what is found where the next frame should start:
//!
//! 1. A header of zeros: the log ends here.
//! 2. A header and body whose checksums hold: a frame.
//! 3. Zeros in place of the frame's last byte, of the header's last byte or of a whole sector of the body (the header
//!    says how many of its sectors are zeros by nature): a torn frame, the log ends before it.
//! 4. Anything else: damage, an error.
//!
//! After 1 and 3 no later frame may be found in the log, or what should be here had been acknowledged: damage too. The
//! checksum of a header starts from the file's salt, so that a value which happens to hold a frame is never taken for one.
//! What no rule can see is a last frame whose zeros came not from a crash but from a disk that forgot it.

use crc32c::{crc32c, crc32c_append};

pub(crate) const HEADER: usize = 32;
/// Frames start and end at multiples of this.
pub(crate) const ALIGN: usize = 32;
const SECTOR: usize = 512;
const MAGIC: [u8; 4] = *b"MFRM";
const END: u8 = 0xe5;

/// The part of a header that its checksum covers.
const COVERED: usize = 24;

/// The bytes a frame with such a body takes in the log.
pub(crate) fn frame_len(body: usize) -> usize {
    (HEADER + body + 1).next_multiple_of(ALIGN)
}

/// Makes a frame of `buffer`, which holds the body behind `HEADER` bytes of room. `at`: where in the file it will lie.
pub(crate) fn seal(buffer: &mut Vec<u8>, salt: u32, seq: u64, at: u64) {
    let body = buffer.len() - HEADER;
    buffer.resize(frame_len(body), 0);
    if let Some(last) = buffer.last_mut() {
        *last = END;
    }
    let body_crc = crc32c(&buffer[HEADER..HEADER + body]);
    let zeros = zero_sectors(buffer, at);
    buffer[0..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&(body as u32).to_le_bytes());
    buffer[8..16].copy_from_slice(&seq.to_le_bytes());
    buffer[16..20].copy_from_slice(&body_crc.to_le_bytes());
    buffer[20..24].copy_from_slice(&zeros.to_le_bytes());
    let crc = crc32c_append(salt, &buffer[..COVERED]);
    buffer[24..28].copy_from_slice(&crc.to_le_bytes());
    buffer[28..32].copy_from_slice(&[END; 4]);
}

/// What lies where the next frame should start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A frame; `len` bytes of the file with header and padding.
    Frame { body: &'a [u8], len: usize },
    /// Nothing, or a frame that a crash tore.
    End { torn: bool },
    /// Something that no crash leaves.
    Damage(String),
}

/// Reads what lies at `at` of a log's file. Bytes behind the end of `file` count as the zeros they were.
pub(crate) fn read(file: &[u8], at: usize, salt: u32, seq: u64) -> Found<'_> {
    let rest = file.get(at..).unwrap_or_default();
    let mut header = [0; HEADER];
    let present = rest.len().min(HEADER);
    header[..present].copy_from_slice(&rest[..present]);
    if header == [0; HEADER] {
        return Found::End { torn: false };
    }
    let Some(fields) = parse(&header, salt) else {
        return if header[HEADER - 1] == 0 {
            Found::End { torn: true }
        } else {
            Found::Damage("a frame's header does not match its checksum".into())
        };
    };
    if fields.seq != seq {
        return Found::Damage(format!("frame {} where frame {seq} should be", fields.seq));
    }
    let len = frame_len(fields.body);
    if let Some(body) = rest.get(HEADER..HEADER + fields.body)
        && crc32c(body) == fields.body_crc
    {
        return Found::Frame { body, len: len.min(rest.len()) };
    }
    let missing_end = rest.get(len - 1).is_none_or(|end| *end == 0);
    if missing_end || zero_sectors(&rest[..len], at as u64) > fields.zeros {
        return Found::End { torn: true };
    }
    Found::Damage(format!("frame {seq} does not match its checksum"))
}

/// The place of a frame with a number above `seq`, anywhere from `from` on.
pub(crate) fn find_later(file: &[u8], from: usize, salt: u32, seq: u64) -> Option<(usize, u64)> {
    let starts = (from.next_multiple_of(ALIGN)..file.len()).step_by(ALIGN);
    starts
        .filter_map(|at| {
            let header = file.get(at..at + HEADER)?.first_chunk::<HEADER>()?;
            let fields = header.starts_with(&MAGIC).then(|| parse(header, salt))??;
            (fields.seq > seq).then_some((at, fields.seq))
        })
        .next()
}

struct Fields {
    body: usize,
    seq: u64,
    body_crc: u32,
    zeros: u32,
}

fn parse(header: &[u8; HEADER], salt: u32) -> Option<Fields> {
    let u32_at = |at: usize| header[at..].first_chunk().copied().map(u32::from_le_bytes);
    let crc = crc32c_append(salt, &header[..COVERED]);
    if !header.starts_with(&MAGIC) || u32_at(24)? != crc {
        return None;
    }
    let seq = header[8..].first_chunk().copied().map(u64::from_le_bytes)?;
    Some(Fields { body: u32_at(4)? as usize, seq, body_crc: u32_at(16)?, zeros: u32_at(20)? })
}

/// How many whole sectors of the file, behind the one with the header, a frame at `at` leaves as zeros.
fn zero_sectors(frame: &[u8], at: u64) -> u32 {
    let first = SECTOR - (at % SECTOR as u64) as usize;
    let sectors = frame.get(first..).unwrap_or_default().chunks_exact(SECTOR);
    sectors.filter(|sector| sector.iter().all(|byte| *byte == 0)).count() as u32
}
