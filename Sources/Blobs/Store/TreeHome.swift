// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A process's own folder for trees below a store, `trees/NAME`, which says by a lock on `trees/NAME.lock` that the process lives.
///
/// Trees are never shared by processes, so that none can be found half made. They cost no bytes: their files are those of the store.
final class TreeHome: Sendable {
    let name: String
    let path: String
    private let lock: OpenFile

    init(in folder: String) throws(BlobError) {
        try Disk.makeFolder(folder)
        while true {
            let name = UUID().uuidString.lowercased()
            let lock = try OpenFile.writing("\(folder)/\(name).lock", mustBeNew: true)
            // Somebody who clears away what dead processes left may have taken it for such.
            guard lock.tryLock(), let named = Disk.status(lock.path), try FileIdentity(named).inode == lock.identity().inode else {
                continue
            }
            try Disk.makeFolder("\(folder)/\(name)")
            (self.name, path, self.lock) = (name, "\(folder)/\(name)", lock)
            return
        }
    }

    deinit {
        Disk.removeAll(path)
        unlink(lock.path)
    }

    /// Removes the trees of processes that are gone, however they ended.
    static func removeStale(in folder: String) {
        let names = Disk.names(in: folder)
        for name in names where name.hasSuffix(".lock") {
            guard let lock = try? OpenFile.reading("\(folder)/\(name)"), lock.tryLock() else { continue }
            Disk.removeAll("\(folder)/\(name.dropLast(".lock".count))")
            unlink(lock.path)
        }
        // A living process makes its lock before its folder.
        for name in names where !name.hasSuffix(".lock") && Disk.status("\(folder)/\(name).lock") == nil {
            Disk.removeAll("\(folder)/\(name)")
        }
    }
}

/// A tree on the disk, of whatever process, and the files that it keeps there.
struct KnownTree: Sendable {
    /// What its users pin.
    let key: BlobDigest
    /// Nanoseconds since 1970: its folder's time of change, which every use sets.
    let lastUse: Int64
    /// The sizes of its files by their places on the disk, each file once; symbolic links keep nothing.
    let sizes: [UInt64: Int64]

    /// - Parameter root: `trees/PROCESS/MANIFEST`.
    init(key: BlobDigest, root: String, status: stat) {
        self.key = key
        lastUse = FileIdentity(status).modified
        var sizes: [UInt64: Int64] = [:]
        Self.collect(root, &sizes)
        self.sizes = sizes
    }

    private static func collect(_ folder: String, _ sizes: inout [UInt64: Int64]) {
        for name in Disk.names(in: folder) {
            guard let status = Disk.status("\(folder)/\(name)") else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: collect("\(folder)/\(name)", &sizes)
            case S_IFREG: sizes[UInt64(status.st_ino)] = Int64(status.st_size)
            default: break
            }
        }
    }
}
