// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc
import Synchronization

/// A folder that holds the files of a manifest, and stays for as long as this is held.
///
/// Afterwards it stays until its room is needed, or until the process ends.
package final class BlobTree: Sendable {
    package let url: URL
    private let pins: BlobPins

    fileprivate init(_ path: String, _ pins: BlobPins) {
        url = URL(fileURLWithPath: path, isDirectory: true)
        self.pins = pins
    }

    deinit { BlobStore.setTimeOfUse(tree: url.path) }
}

extension BlobStore {
    /// Trees that nobody uses and that stay all the same, for whoever comes back to them.
    private static let idleTrees = 32

    /// The folder with a manifest's files, made if need be; its blobs are pinned too while it is held.
    ///
    /// - Throws: what `materialize` throws.
    package func tree(of manifest: Manifest, isCancelled: () -> Bool = { false }) throws(BlobError) -> BlobTree {
        let home = try treeHome()
        let name = manifest.digest.hex, path = "\(home.path)/\(name)"
        let key = Self.treeKey(home.name, name)
        let pins = pin([key] + manifest.files.map(\.digest))
        if !isWhole(manifest, at: path) { try materialize(manifest, into: URL(fileURLWithPath: path), isCancelled: isCancelled) }
        Self.setTimeOfUse(tree: path)
        removeOldestIdleTrees(of: home)
        return BlobTree(path, pins)
    }

    /// Whether nothing was removed since the tree was made; a link may lead nowhere when its blob went.
    private func isWhole(_ manifest: Manifest, at path: String) -> Bool {
        manifest.files.allSatisfy { file in
            var status = stat()
            return stat("\(path)/\(file.path)", &status) == 0 && Int64(status.st_size) == file.bytes
        }
    }

    /// Exact, so that no two uses have the same time.
    fileprivate static func setTimeOfUse(tree path: String) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        _ = utimensat(AT_FDCWD, path, [now, now], 0)
    }

    private static func treeKey(_ home: String, _ name: String) -> BlobDigest { BlobDigest(of: Data("\(home)/\(name)".utf8)) }

    var treesPath: String { "\(path)/trees" }

    private func treeHome() throws(BlobError) -> TreeHome {
        try state.withLock { (state) throws(BlobError) in
            if let home = state.treeHome { return home }
            let home = try TreeHome(in: treesPath)
            state.treeHome = home
            return home
        }
    }

    private func removeOldestIdleTrees(of home: TreeHome) {
        state.withLock { state in
            let names = Disk.names(in: home.path)
            guard names.count > Self.idleTrees else { return }
            let idle = names.filter { state.pins[Self.treeKey(home.name, $0)] == nil }
            guard idle.count > Self.idleTrees else { return }
            scanTrees(&state)
            let known = idle.compactMap { name in state.trees["\(home.path)/\(name)"].map { (name, $0.lastUse) } }
            for (name, _) in known.sorted(by: { $0.1 < $1.1 }).prefix(idle.count - Self.idleTrees) {
                _ = removeTree("\(home.path)/\(name)", &state)
            }
        }
    }

    // MARK: Room

    /// Reads anew which trees there are, of all processes; those that were not used since need not be looked into.
    func scanTrees(_ state: inout State) {
        var found: [String: KnownTree] = [:]
        for home in Disk.names(in: treesPath) where !home.hasSuffix(".lock") {
            for name in Disk.names(in: "\(treesPath)/\(home)") {
                let root = "\(treesPath)/\(home)/\(name)"
                guard let status = Disk.status(root), status.st_mode & S_IFMT == S_IFDIR else { continue }
                if let known = state.trees[root], known.lastUse == FileIdentity(status).modified {
                    found[root] = known
                } else {
                    found[root] = KnownTree(key: Self.treeKey(home, name), root: root, status: status)
                }
            }
        }
        state.trees = found
        countStrays(&state)
    }

    /// Files that are in trees only, because their blobs are gone, take room too.
    private func countStrays(_ state: inout State) {
        let blobs = Set(state.entries.values.map(\.inode))
        var strays: [UInt64: Int64] = [:]
        for tree in state.trees.values {
            for (inode, size) in tree.sizes where !blobs.contains(inode) { strays[inode] = size }
        }
        state.strayBytes = strays.values.reduce(0, +)
    }

    /// Whether the tree, which nobody may be using, was removed.
    func removeTree(_ root: String, _ state: inout State) -> Bool {
        guard let tree = state.trees[root], state.pins[tree.key] == nil, pinLocks.tryExclude(tree.key) else { return false }
        defer { pinLocks.release(tree.key) }
        Disk.removeAll(root)
        guard Disk.status(root) == nil else { return false }
        state.trees[root] = nil
        countStrays(&state)
        return true
    }

    /// Removes what was not used for the longest time, up to at least `bytes`, and gives what that came to.
    ///
    /// A blob goes together with the trees that hold it, and was last used when one of them was. Never what is pinned, nor what has a
    /// name elsewhere, which would free nothing.
    func evict(_ bytes: Int64, _ state: inout State) -> Int64 {
        let before = state.usedBytes
        let blobs = Set(state.entries.values.map(\.inode))
        var useInTrees: [UInt64: Int64] = [:]
        var candidates: [(lastUse: Int64, digest: BlobDigest?, root: String)] = []
        for (root, tree) in state.trees {
            for inode in tree.sizes.keys { useInTrees[inode] = max(tree.lastUse, useInTrees[inode] ?? tree.lastUse) }
            if tree.sizes.keys.contains(where: { !blobs.contains($0) }) { candidates.append((tree.lastUse, nil, root)) }
        }
        for (digest, entry) in state.entries {
            candidates.append((max(entry.lastUse, useInTrees[entry.inode] ?? entry.lastUse), digest, digest.hex))
        }
        for candidate in candidates.sorted(by: { ($0.lastUse, $0.root) < ($1.lastUse, $1.root) }) {
            guard before - state.usedBytes < bytes else { break }
            if let digest = candidate.digest {
                _ = removeUnpinned(digest, &state)
            } else {
                _ = removeTree(candidate.root, &state)
            }
        }
        return before - state.usedBytes
    }

    /// Removes the trees that hold a file; false when one of them is in use.
    func removeTrees(holding inode: UInt64, _ state: inout State) -> Bool {
        for (root, tree) in state.trees where tree.sizes[inode] != nil {
            guard removeTree(root, &state) else { return false }
        }
        return true
    }
}
