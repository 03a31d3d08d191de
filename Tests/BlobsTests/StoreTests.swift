// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import Blobs

@Suite struct StoreTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    @Test func digestsAreSHA256() {
        #expect(BlobDigest(of: Data("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let digest = BlobDigest(of: Data())
        #expect(BlobDigest(hex: digest.hex) == digest)
        #expect(BlobDigest(bytes: digest.bytes) == digest)
        #expect(BlobDigest(hex: digest.hex.uppercased()) == nil)
        #expect(BlobDigest(hex: digest.hex.dropLast()) == nil)
        #expect(BlobDigest(bytes: Data(count: 31)) == nil)
        #expect(digest < BlobDigest(of: Data([1])) || BlobDigest(of: Data([1])) < digest)
    }

    @Test(arguments: [0, 1, 1000, 3_000_000])
    func whatIsPutComesBack(count: Int) throws {
        let store = try scratch.store()
        let data = bytes(count)
        let digest = try store.put(data)
        #expect(digest == BlobDigest(of: data))
        #expect(store.contains(digest) && store.size(of: digest) == Int64(count))
        #expect(try store.data(of: digest) == data)
        #expect(try Data(contentsOf: store.url(of: digest)) == data)
        #expect(try store.open(digest).read(offset: Int64(count / 2), length: 7) == data.dropFirst(count / 2).prefix(7))
        #expect(try store.put(data) == digest)
        #expect(store.usage == (1, Int64(count)))
        let file = try scratch.write(bytes(count, seed: 2), to: "a file")
        #expect(try store.put(file: file).digest == BlobDigest(of: bytes(count, seed: 2)))
        #expect(Disk.names(in: scratch["store/incoming"].path).isEmpty)
    }

    @Test func blobsSurviveRestarts() throws {
        let digest = try scratch.store().put(bytes(5000))
        let again = try scratch.store()
        #expect(again.usage == (1, 5000))
        #expect(try again.data(of: digest) == bytes(5000))
        #expect(errorCode { _ = try again.open(BlobDigest(of: Data([9]))) } == .notFound)
    }

    @Test func aDamagedBlobIsFoundAndRemoved() throws {
        let digest = try scratch.store().put(bytes(100_000))
        let path = try scratch.store().url(of: digest).path
        chmod(path, 0o600)
        var damaged = bytes(100_000)
        damaged[77_777] ^= 1
        try damaged.write(to: URL(fileURLWithPath: path))
        let store = try scratch.store()
        #expect(store.contains(digest))
        #expect(errorCode { _ = try store.open(digest) } == .damaged)
        #expect(errorCode { _ = try store.open(digest) } == .notFound)
        #expect(!store.contains(digest) && store.usage == (0, 0))
        #expect(try store.put(bytes(100_000)) == digest)
        #expect(try store.data(of: digest) == bytes(100_000))
    }

    @Test func aWriterGoesOnWhereAnotherStopped() throws {
        let data = bytes(100_000)
        let digest = BlobDigest(of: data)
        do {
            let writer = try scratch.store().write(digest, size: 100_000)
            try writer.append(data.prefix(40_000))
        }
        let store = try scratch.store()
        #expect(!store.contains(digest))
        let writer = try store.write(digest, size: 100_000)
        #expect(writer.resumedBytes == 40_000)
        #expect(errorCode { _ = try store.write(digest, size: 100_000) } == .busy)
        try writer.append(data.dropFirst(40_000))
        try writer.finish()
        #expect(try store.data(of: digest) == data)
        #expect(errorCode { try writer.append(Data([1])) } == .storage)
    }

    @Test func wrongBytesNeverGetTheName() throws {
        let store = try scratch.store()
        let digest = BlobDigest(of: bytes(1000))
        let writer = try store.write(digest, size: 1000)
        try writer.append(bytes(1000, seed: 2))
        #expect(errorCode { try writer.finish() } == .wrongBytes)
        #expect(!store.contains(digest) && Disk.names(in: scratch["store/incoming"].path).isEmpty)
        let short = try store.write(digest, size: 1000)
        try short.append(bytes(999))
        #expect(errorCode { try short.finish() } == .wrongBytes)
        let long = try store.write(digest, size: 1000)
        #expect(errorCode { try long.append(bytes(1001)) } == .wrongBytes)
    }

    @Test func leftoversAreCleanedAtTheStart() throws {
        let store = try scratch.store()
        let writer = try store.write(BlobDigest(of: bytes(10)), size: 10)
        try writer.append(bytes(5))
        writer.abandon()
        let incoming = scratch["store/incoming"]
        let old = incoming.appendingPathComponent("\(BlobDigest(of: Data([1])).hex).part")
        try bytes(10).write(to: old)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -30 * 24 * 3600)], ofItemAtPath: old.path)
        try bytes(10).write(to: incoming.appendingPathComponent("copy.new"))
        _ = try scratch.store()
        #expect(Disk.names(in: incoming.path) == ["\(writer.digest.hex).part"])
    }

    @Test func oneFolderServesTwoStores() throws {
        let (one, two) = (try scratch.store(), try scratch.store())
        let digest = try one.put(bytes(1000))
        #expect(two.contains(digest))
        #expect(try two.data(of: digest) == bytes(1000))
        let pins = two.pin([digest])
        #expect(!one.remove(digest))
        pins.release()
        #expect(one.remove(digest))
        #expect(!two.contains(digest))
        #expect(errorCode { _ = try two.open(digest) } == .notFound)
    }

    @Test func strangeThingsInTheFolderDoNoHarm() throws {
        let digest = try scratch.store().put(bytes(10))
        for name in ["sha256/zz/x", "sha256/ab/short", "sha256/file", "incoming/x/y", "in-place.json/x"] {
            _ = try scratch.write(bytes(10), to: "store/\(name)")
        }
        symlink("/etc/passwd", scratch["store/sha256/ab/\(String(repeating: "0", count: 62))"].path)
        mkfifo(scratch["store/incoming/pipe.part"].path, 0o600)
        let store = try scratch.store()
        #expect(store.usage.count == 1)
        #expect(store.contains(digest))
    }
}
