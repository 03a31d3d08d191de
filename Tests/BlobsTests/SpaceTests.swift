// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import Blobs

@Suite struct SpaceTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func blob(_ seed: UInt64) -> Data { bytes(1000, seed: seed) }

    private func name(_ seed: UInt64) -> BlobDigest { BlobDigest(of: blob(seed)) }

    @Test func whatWasNotUsedForLongestMakesRoom() throws {
        let store = try scratch.store(limit: 3500)
        for seed in 1...3 as ClosedRange<UInt64> { try store.put(blob(seed)) }
        _ = try store.data(of: name(1))
        try store.put(blob(4))
        #expect((1...4).filter { store.contains(name($0)) } == [1, 3, 4])
        // The times of use are in the folder: they survive a restart.
        let again = try scratch.store(limit: 3500)
        try again.put(blob(5))
        #expect((1...5).filter { again.contains(name($0)) } == [1, 4, 5])
        #expect(again.usage.bytes <= 3500)
    }

    @Test func pinnedBlobsStay() throws {
        let store = try scratch.store(limit: 3500)
        let pins = store.pin([name(1), name(2)])
        let twice = store.pin([name(1)])
        for seed in 1...3 as ClosedRange<UInt64> { try store.put(blob(seed)) }
        try store.put(blob(4))
        #expect((1...4).filter { store.contains(name($0)) } == [1, 2, 4])
        let all = store.pin([name(4)])
        #expect(errorCode { try store.put(blob(5)) } == .noSpace)
        #expect(!store.contains(name(5)))
        pins.release()
        pins.release()
        #expect(!store.remove(name(1)))
        twice.release()
        try store.put(blob(5))
        #expect(!store.contains(name(1)) || !store.contains(name(2)))
        all.release()
    }

    @Test func whatAnotherProcessPinsStays() throws {
        let (mine, theirs) = (try scratch.store(limit: 2500), try scratch.store(limit: 2500))
        try mine.put(blob(1))
        try mine.put(blob(2))
        let pins = theirs.pin([name(1)])
        try mine.put(blob(3))
        #expect((1...3).filter { mine.contains(name($0)) } == [1, 3])
        pins.release()
        try mine.put(blob(4))
        #expect((1...4).filter { mine.contains(name($0)) } == [3, 4])
    }

    @Test func openWritersReserveRoom() throws {
        let store = try scratch.store(limit: 2500)
        try store.put(blob(1))
        let writer = try store.write(name(2), size: 1000)
        let other = try store.write(name(3), size: 1000)
        #expect(!store.contains(name(1)))
        #expect(errorCode { _ = try store.write(name(4), size: 1000) } == .noSpace)
        other.discard()
        _ = try store.write(name(4), size: 1000)
        try writer.append(blob(2))
        try writer.finish()
        #expect(store.usage == (1, 1000))
        #expect(errorCode { _ = try store.write(BlobDigest(of: bytes(9000)), size: 9000) } == .noSpace)
    }

    @Test func aFullDiskIsOneClearErrorAndLeavesNothing() throws {
        let small = try SmallDisk(bytes: 1 << 20)
        let store = try BlobStore(folder: small.url.appendingPathComponent("store"), limitBytes: nil)
        let kept = try store.put(bytes(300_000))
        let pin = store.pin([kept])
        let tooMuch = bytes(900_000)
        #expect(errorCode { try store.put(tooMuch) } == .noSpace)
        #expect(errorCode { _ = try store.write(BlobDigest(of: tooMuch), size: 900_000) } == .noSpace)
        // Room that is there at first and then is not.
        let writer = try store.write(BlobDigest(of: bytes(600_000)), size: 600_000)
        try writer.append(bytes(600_000).prefix(100_000))
        try bytes(500_000).write(to: small.url.appendingPathComponent("something else"))
        #expect(errorCode { try writer.append(bytes(600_000).dropFirst(100_000)) } == .noSpace)
        #expect(Disk.names(in: small.url.appendingPathComponent("store/incoming").path).isEmpty)
        #expect(try store.data(of: kept) == bytes(300_000))
        // Blobs that nobody needs are given up for one that somebody needs now.
        pin.release()
        let next = try store.write(BlobDigest(of: bytes(400_000, seed: 3)), size: 400_000)
        try next.append(bytes(400_000, seed: 3))
        try next.finish()
        #expect(!store.contains(kept) && store.contains(next.digest))
    }
}

/// A file system that is soon full.
final class SmallDisk {
    let url: URL

    init(bytes: Int) throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("small-\(UUID().uuidString)", isDirectory: true)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        guard mount("tmpfs", url.path, "tmpfs", 0, "size=\(bytes)") == 0 else {
            rmdir(url.path)
            try Test.cancel("a small disk cannot be mounted here")
        }
    }

    deinit {
        umount2(url.path, Int32(MNT_DETACH))
        rmdir(url.path)
    }
}
