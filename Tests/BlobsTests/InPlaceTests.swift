// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import Blobs

@Suite struct InPlaceTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    /// A file that was last written to a while ago, as models are.
    private func model(_ data: Data, _ name: String = "models/model.safetensors", age: TimeInterval = 100) throws -> URL {
        let file = try scratch.write(data, to: name)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: file.path)
        return file
    }

    @Test func aFileIsServedFromItsPlace() throws {
        let file = try model(bytes(50_000))
        let store = try scratch.store()
        let (digest, count) = try store.registerInPlace(file)
        #expect(digest == BlobDigest(of: bytes(50_000)) && count == 50_000)
        #expect(store.contains(digest) && store.usage == (0, 0))
        #expect(try store.open(digest).read(offset: 100, length: 50) == bytes(50_000).dropFirst(100).prefix(50))
        #expect(try store.url(of: digest) == file)
        #expect(!store.remove(digest))
        #expect(FileManager.default.fileExists(atPath: file.path))
    }

    @Test func theDigestIsRememberedOverRestarts() throws {
        let file = try model(bytes(50_000))
        let digest = try scratch.store().registerInPlace(file).digest
        let again = try scratch.store()
        #expect(again.contains(digest) && again.isVerified(digest))
        // Other bytes, same size and time: nobody can tell, and it is not read again.
        let times = try FileManager.default.attributesOfItem(atPath: file.path)
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: Data([0xFF]))
        try handle.close()
        try FileManager.default.setAttributes([.modificationDate: times[.modificationDate] as Any], ofItemAtPath: file.path)
        #expect(try again.registerInPlace(file).digest == digest)
    }

    @Test func aChangedFileIsRefused() throws {
        let file = try model(bytes(50_000))
        let store = try scratch.store()
        let digest = try store.registerInPlace(file).digest
        let blob = try store.open(digest)
        #expect(try blob.read(offset: 0, length: 10).count == 10)
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: Data([1, 2, 3]))
        try handle.close()
        #expect(errorCode { _ = try blob.read(offset: 0, length: 10) } == .changed)
        #expect(errorCode { _ = try store.open(digest) } == .changed)
        #expect(!store.contains(digest))
        let (fresh, _) = try store.registerInPlace(file)
        #expect(fresh != digest && store.contains(fresh))
        try FileManager.default.removeItem(at: file)
        #expect(errorCode { _ = try store.open(fresh) } == .changed)
        #expect(errorCode { try store.registerInPlace(file) } == .notFound)
    }

    @Test func aFileWrittenJustNowIsNotRememberedOverRestarts() throws {
        let file = try model(bytes(1000), age: 0)
        let digest = try scratch.store().registerInPlace(file).digest
        #expect(try !scratch.store().contains(digest))
    }

    @Test func aLocalFileIsUsedOnlyIfItIsTheSame() throws {
        let file = try model(bytes(50_000))
        let store = try scratch.store()
        let digest = BlobDigest(of: bytes(50_000))
        #expect(try store.openLocal(file, digest: digest, bytes: 50_001) == nil)
        #expect(try store.openLocal(file, digest: BlobDigest(of: Data()), bytes: 50_000) == nil)
        #expect(try store.openLocal(scratch["nothing"], digest: digest, bytes: 50_000) == nil)
        #expect(try store.openLocal(scratch.url, digest: digest, bytes: 50_000) == nil)
        #expect(try store.openLocal(file, digest: digest, bytes: 50_000) == file)
        #expect(try store.data(of: digest) == bytes(50_000))
        #expect(errorCode { _ = try store.openLocal(try model(bytes(9), "other"), digest: digest, bytes: 9) { true } } == .cancelled)
    }

    @Test func pipesAndFoldersAreRefused() throws {
        let store = try scratch.store()
        mkfifo(scratch["pipe"].path, 0o600)
        #expect(errorCode { try store.registerInPlace(scratch["pipe"]) } == .storage)
        #expect(errorCode { try store.registerInPlace(scratch.url) } == .storage)
        #expect(errorCode { try store.put(file: scratch["pipe"]) } == .storage)
    }

    @Test func aDamagedCacheIsNoCache() throws {
        let file = try model(bytes(1000))
        let digest = try scratch.store().registerInPlace(file).digest
        for text in ["", "[1]", "{\"version\":1,\"files\":[{}]}", String(repeating: "[", count: 100_000)] {
            try Data(text.utf8).write(to: scratch["store/in-place.json"])
            #expect(try !scratch.store().contains(digest))
        }
    }
}
