// Reads a store of plain files by what docs/store-format.md says, and nothing else: no package, no build.
//   node read_store.js FOLDER list              every result: node, blob, bytes
//   node read_store.js FOLDER count blob:...    what a blob holds; for a mask, how many voxels are set
"use strict";
const fs = require("fs");
const path = require("path");
const crypto = require("crypto");

const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest();
const fail = (reason) => { throw new Error(reason); };

// Section 5: records, each one step; a torn one ends the file, a damaged one is skipped.
function* records(journal) {
  if (journal.toString("latin1", 0, 16) !== "vox.journal.v1\r\n") fail("not a journal");
  let at = 16;
  while ((at = journal.indexOf("VXR1", at)) >= 0) {
    const end = at + 20 + Number(at + 20 <= journal.length ? journal.readBigUInt64LE(at + 4) : 0n);
    const payload = journal.subarray(at + 20, end);
    if (end > journal.length || !sha256(payload).subarray(0, 8).equals(journal.subarray(at + 12, at + 20))) {
      at += 1;
      continue;
    }
    yield payload;
    at = end;
  }
}

function readIndex(folder) {
  const index = { blobs: new Map(), results: new Map(), facts: new Map() };
  for (const data of records(fs.readFileSync(path.join(folder, "journal")))) {
    let at = 0;
    const take = (count) => data.subarray(at, (at += count));
    const name = () => take(32).toString("hex");
    const int = (count) => { const value = Number(count === 8 ? data.readBigUInt64LE(at) : data.readUIntLE(at, count)); at += count; return value; };
    while (at < data.length) {
      const kind = String.fromCharCode(int(1));
      if (kind === "B") index.blobs.set(name(), { size: int(8), codec: int(1), data: take(int(4)) });
      else if (kind === "D") { index.blobs.delete(name()); take(1); }
      else if (kind === "C") {
        take(32);
        const node = name(), output = name();
        take(32);
        const size = int(8);
        take(int(4));
        const old = index.results.get(node);
        // The first claim is the result, until its blob is gone and another claim's is here.
        if (!old || (!index.blobs.has(old.output) && index.blobs.has(output))) index.results.set(node, { output, size });
      } else if (kind === "F") { const key = take(int(4)).toString(); index.facts.set(key, take(int(4))); }
      else if (kind === "X") index.facts.delete(take(int(4)).toString());
      else if (kind === "P") { take(32); take(int(4)); }
      else if (kind === "U") take(int(4));
      else fail(`an unknown entry ${kind}`);
    }
  }
  return index;
}

function readBlob(folder, index, digest) {
  const kept = index.blobs.get(digest) || fail(`blob:${digest} is not here`);
  if (kept.codec !== 0 && kept.codec !== 2) fail("compressed or sealed: not for this reader");
  const file = path.join(folder, "blobs", digest.slice(0, 2), digest.slice(2));
  const bytes = kept.codec === 2 ? fs.readFileSync(file) : kept.data;
  if (bytes.length !== kept.size || sha256(bytes).toString("hex") !== digest) fail(`blob:${digest} is damaged`);
  return bytes;
}

// Section 2: as much of CBOR as a header needs.
function decode(bytes, at) {
  const major = bytes[at] >> 5, extra = bytes[at] & 31;
  if (major === 7) {
    if (extra === 20 || extra === 21) return [extra === 21, at + 1];
    if (extra === 22) return [null, at + 1];
    if (extra === 26) return [bytes.readFloatBE(at + 1), at + 5];
    if (extra === 27) return [bytes.readDoubleBE(at + 1), at + 9];
    const half = bytes.readUInt16BE(at + 1), exponent = (half >> 10) & 31, fraction = half & 1023;
    const value = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1024 + fraction) * 2 ** (exponent - 25);
    return [half >> 15 ? -value : value, at + 3];
  }
  const width = extra < 24 ? 0 : 1 << (extra - 24);
  const count = width === 8 ? Number(bytes.readBigUInt64BE(at + 1)) : width ? bytes.readUIntBE(at + 1, width) : extra;
  at += 1 + width;
  if (major === 0) return [count, at];
  if (major === 1) return [-1 - count, at];
  if (major === 2 || major === 3) return [major === 3 ? bytes.toString("utf8", at, at + count) : bytes.subarray(at, at + count), at + count];
  const items = [];
  for (let i = 0; i < count * (major === 5 ? 2 : 1); i++) { let item; [item, at] = decode(bytes, at); items.push(item); }
  if (major === 4) return [items, at];
  return [Object.fromEntries(items.flatMap((key, i) => (i % 2 ? [] : [[key, items[i + 1]]]))), at];
}

function describe(bytes) {
  const [[magic, kind, fields], end] = decode(bytes, 0);
  if (magic !== "vox.value.v1") fail("not a value");
  const payload = bytes.subarray(end + (64 - (end % 64)) % 64);
  const found = { kind, fields, bytes: payload.length };
  if (kind === "mask") {
    found.voxels = 0;
    for (const byte of payload) for (let bits = byte; bits; bits &= bits - 1) found.voxels += 1;
  }
  return found;
}

const [folder, verb, name] = process.argv.slice(2);
const index = readIndex(folder);
if (verb === "list") for (const [node, { output, size }] of index.results) console.log(`node:${node} blob:${output} ${size}`);
else console.log(JSON.stringify(describe(readBlob(folder, index, name.replace("blob:", "")))));
