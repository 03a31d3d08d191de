// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

@testable import Blobs

@Suite struct TreeTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private var trees: String { scratch["store/trees"].path }

    /// Puts blobs of 1000 bytes and lists them as the files of one folder.
    private func manifest(_ seeds: [UInt64], in store: BlobStore) throws -> Manifest {
        try Manifest(
            files: seeds.map { seed in
                Manifest.File(path: "pictures/\(seed)", digest: try store.put(bytes(1000, seed: seed)), bytes: 1000)
            })
    }

    /// The bytes below the store's folder, each file once, whatever the store believes.
    private func bytesOnDisk() -> Int64 {
        var sizes: [UInt64: Int64] = [:]
        func add(_ path: String) {
            for name in Disk.names(in: path) {
                guard let status = Disk.status("\(path)/\(name)") else { continue }
                if status.st_mode & S_IFMT == S_IFDIR { add("\(path)/\(name)") }
                if status.st_mode & S_IFMT == S_IFREG { sizes[UInt64(status.st_ino)] = Int64(status.st_size) }
            }
        }
        add(scratch["store"].path)
        return sizes.values.reduce(0, +)
    }

    @Test func aTreeHoldsTheFilesAndCostsNothing() throws {
        let store = try scratch.store(limit: 10_000)
        let manifest = try manifest([1, 2], in: store)
        let tree = try store.tree(of: manifest)
        #expect(try Data(contentsOf: tree.url.appendingPathComponent("pictures/2")) == bytes(1000, seed: 2))
        #expect(try store.tree(of: manifest).url == tree.url)
        let other = try scratch.store(limit: 10_000)
        let theirs = try other.tree(of: manifest)
        #expect(theirs.url != tree.url && other.usage == (2, 2000) && bytesOnDisk() == 2000)
    }

    @Test func aCacheStaysWithinItsBoundThroughManyTrees() throws {
        let limit: Int64 = 10_500
        let store = try scratch.store(limit: limit)
        let held = try store.tree(of: manifest([1000, 1001], in: store))
        for round in 0..<60 as Range<UInt64> {
            // Neighbours share a file, and every third one comes twice.
            let seeds = (0..<4 as Range<UInt64>).map { round * 3 + $0 }
            let manifest = try manifest(seeds, in: store)
            for _ in 0..<(round % 3 == 0 ? 2 : 1) {
                let tree = try store.tree(of: manifest)
                for seed in seeds {
                    #expect(try Data(contentsOf: tree.url.appendingPathComponent("pictures/\(seed)")) == bytes(1000, seed: seed))
                }
            }
            #expect(bytesOnDisk() <= limit && store.usage.bytes <= limit, "after \(round) trees: \(bytesOnDisk()) bytes")
        }
        #expect(store.usage.bytes == bytesOnDisk() && store.usage.count == 10)
        #expect(try Data(contentsOf: held.url.appendingPathComponent("pictures/1000")) == bytes(1000, seed: 1000))
        withExtendedLifetime(held) {}
    }

    @Test func whatIsHeldStaysAndTheRestGoesByLastUse() throws {
        let store = try scratch.store(limit: 6500)
        let (first, second, third) = (try manifest([1, 2], in: store), try manifest([3, 4], in: store), try manifest([5, 6], in: store))
        var held: BlobTree? = try store.tree(of: first)
        for manifest in [second, third, second] { _ = try store.tree(of: manifest) }
        try store.put(bytes(1000, seed: 7))
        // The third tree went with one of its blobs; the other one only lost a name.
        #expect((1...7).filter { store.contains(BlobDigest(of: bytes(1000, seed: $0))) }.count == 6)
        #expect(first.files.allSatisfy { store.contains($0.digest) } && second.files.allSatisfy { store.contains($0.digest) })
        #expect(store.tree(existing: second) && !store.tree(existing: third) && held != nil)
        #expect(errorCode { for seed in 8...12 as ClosedRange<UInt64> { _ = store.pin([try store.put(bytes(1000, seed: seed))]) } } == nil)
        #expect(first.files.allSatisfy { store.contains($0.digest) } && store.tree(existing: first))
        held = nil
        for seed in 20...26 as ClosedRange<UInt64> { try store.put(bytes(1000, seed: seed)) }
        #expect(first.files.allSatisfy { !store.contains($0.digest) } && !store.tree(existing: first))
        // It can be made again.
        _ = try store.tree(of: manifest([1, 2], in: store))
        #expect(store.tree(existing: first) && bytesOnDisk() <= 6500)
    }

    @Test func anotherProcessesTreeGoesOnlyWhenItIsIdle() throws {
        let (mine, theirs) = (try scratch.store(limit: 3500), try scratch.store(limit: 3500))
        let manifest = try manifest([1, 2], in: theirs)
        var held: BlobTree? = try theirs.tree(of: manifest)
        for seed in 3...6 as ClosedRange<UInt64> { try mine.put(bytes(1000, seed: seed)) }
        #expect(held != nil && theirs.tree(existing: manifest) && mine.contains(manifest.files[0].digest))
        held = nil
        for seed in 7...9 as ClosedRange<UInt64> { try mine.put(bytes(1000, seed: seed)) }
        #expect(!theirs.tree(existing: manifest) && !mine.contains(manifest.files[0].digest) && bytesOnDisk() <= 3500)
        // They notice, and get what they lack.
        #expect(errorCode { _ = try theirs.tree(of: manifest) } == .notFound)
        _ = try theirs.tree(of: self.manifest([1, 2], in: theirs))
        #expect(theirs.tree(existing: manifest) && bytesOnDisk() <= 3500)
    }

    @Test func filesThatOnlyATreeHoldsAreCountedAndGo() throws {
        let store = try scratch.store(limit: 3500)
        let manifest = try manifest([1, 2], in: store)
        _ = try store.tree(of: manifest)
        unlink(store.storedPath(manifest.files[0].digest))
        let again = try scratch.store(limit: 3500)
        #expect(again.usage == (1, 2000))
        for seed in 3...4 as ClosedRange<UInt64> { try again.put(bytes(1000, seed: seed)) }
        #expect(bytesOnDisk() <= 3500 && again.usage.bytes == bytesOnDisk())
    }

    @Test func idleTreesAreFew() throws {
        let store = try scratch.store()
        for seed in 1...70 as ClosedRange<UInt64> { _ = try store.tree(of: manifest([seed], in: store)) }
        #expect(Disk.names(in: Disk.names(in: trees).filter { !$0.hasSuffix(".lock") }.map { "\(trees)/\($0)" }[0]).count <= 33)
    }

    @Test func treesOfKilledProcessesAreRemovedAtTheNextStart() async throws {
        let living = try scratch.store()
        let manifest = try manifest([1, 2], in: living)
        let tree = try living.tree(of: manifest)
        let folder = scratch["store"].path
        await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String, text = manifest.text as String] in
            let store = try BlobStore(folder: URL(fileURLWithPath: folder), limitBytes: nil)
            let tree = try store.tree(of: Manifest(parsing: text))
            kill(getpid(), SIGKILL)
            withExtendedLifetime(tree) {}
        }
        // What earlier releases left.
        try FileManager.default.createDirectory(atPath: "\(trees)/\(manifest.digest.hex)/unet", withIntermediateDirectories: true)
        #expect(Disk.names(in: trees).count == 5)
        let next = try scratch.store()
        #expect(Disk.names(in: trees).count == 2)
        #expect(try Data(contentsOf: tree.url.appendingPathComponent("pictures/1")) == bytes(1000, seed: 1))
        #expect(next.usage == (2, 2000))
    }

    @Test func aStoreThatEndsTakesItsTreesWithIt() throws {
        do {
            let store = try scratch.store()
            _ = try store.tree(of: manifest([1], in: store))
            #expect(Disk.names(in: trees).count == 2)
        }
        #expect(Disk.names(in: trees).isEmpty)
    }
}

extension BlobStore {
    /// Whether the tree is on the disk.
    fileprivate func tree(existing manifest: Manifest) -> Bool {
        Disk.names(in: treesPath).contains { Disk.status("\(treesPath)/\($0)/\(manifest.digest.hex)") != nil }
    }
}
