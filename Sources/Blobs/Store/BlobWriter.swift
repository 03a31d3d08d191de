// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc
import Synchronization

/// A blob that is being written, from its first byte to its last.
///
/// What has been written stays when it is abandoned, also by a crash, and the next writer goes on from there. Only a whole blob with
/// the right digest gets its final name.
package final class BlobWriter: Sendable {
    private struct State {
        var file: OpenFile?
        var hasher: BlobHasher
        var written: Int64
    }

    package let digest: BlobDigest
    package let size: Int64
    /// What an earlier writer had left.
    package let resumedBytes: Int64
    private let store: BlobStore
    private let state: Mutex<State>

    fileprivate init(_ digest: BlobDigest, size: Int64, store: BlobStore, file: OpenFile, hasher: BlobHasher, written: Int64) {
        self.digest = digest
        self.size = size
        self.store = store
        resumedBytes = written
        state = Mutex(State(file: file, hasher: hasher, written: written))
    }

    deinit { abandon() }

    /// How many bytes are there, from the start.
    package var written: Int64 { state.withLock { $0.written } }

    /// Writes the next bytes.
    ///
    /// - Throws: `.noSpace`, after which the part is gone; `.storage`; `.wrongBytes` for more bytes than the blob has.
    package func append(_ data: Data) throws(BlobError) {
        try state.withLock { (state) throws(BlobError) in
            guard let file = state.file else { throw BlobError(.storage, "blob \(digest.short): the writer is closed") }
            guard Int64(data.count) <= size - state.written else {
                throw BlobError(.wrongBytes, "blob \(digest.short): more than its \(size) bytes arrived")
            }
            do throws(BlobError) {
                try file.write(data, at: state.written)
            } catch  where error.code == .noSpace {
                do throws(BlobError) {
                    guard store.makeRoomOnDisk(size - state.written) else { throw error }
                    try file.write(data, at: state.written)
                } catch {
                    // A full disk is no place to keep half a blob.
                    close(&state, removing: true)
                    throw error
                }
            }
            state.hasher.update(data)
            state.written += Int64(data.count)
        }
    }

    /// Checks the digest and gives the blob its name.
    ///
    /// - Throws: `.wrongBytes`, after which the part is gone; `.noSpace`, `.storage`.
    package func finish() throws(BlobError) {
        try state.withLock { (state) throws(BlobError) in
            guard let file = state.file else { throw BlobError(.storage, "blob \(digest.short): the writer is closed") }
            guard state.written == size, state.hasher.digest == digest else {
                let what = state.written == size ? "other bytes than its name says" : "\(state.written) of \(size) bytes"
                close(&state, removing: true)
                throw BlobError(.wrongBytes, "blob \(digest.short): \(what) arrived; they were thrown away")
            }
            do throws(BlobError) {
                try store.commit(file, as: digest, size: size)
            } catch {
                close(&state, removing: error.code == .noSpace)
                throw error
            }
            close(&state, removing: false)
        }
    }

    /// Closes and leaves what has arrived for the next writer.
    package func abandon() { state.withLock { close(&$0, removing: false) } }

    /// Closes and removes what has arrived.
    package func discard() { state.withLock { close(&$0, removing: true) } }

    private func close(_ state: inout State, removing: Bool) {
        guard let file = state.file else { return }
        if removing { unlink(file.path) }
        state.file = nil
        store.unreserve(size)
    }
}

extension BlobStore {
    /// Starts to write a blob, after what an earlier writer has left of it.
    ///
    /// - Throws: `.busy` while another writer, in whatever process, is at it; `.noSpace`, `.storage`, `.cancelled`.
    package func write(
        _ digest: BlobDigest, size: Int64, isCancelled: () -> Bool = { false }
    ) throws(BlobError) -> BlobWriter {
        let path = partPath(digest)
        let file = try OpenFile.writing(path)
        guard file.tryLock(), let named = Disk.status(path), try FileIdentity(named).inode == file.identity().inode else {
            throw BlobError(.busy, "blob \(digest.short) is being written by somebody else")
        }
        let left = try file.identity().size
        let hasher: BlobHasher
        if left > 0, left <= size {
            hasher = try file.hash(length: left, isCancelled: isCancelled)
        } else {
            guard ftruncate(file.descriptor, 0) == 0 else { throw .system("write", path) }
            hasher = BlobHasher()
        }
        let written = left <= size ? left : 0
        do throws(BlobError) {
            try reserve(size, remaining: size - written)
        } catch {
            if written == 0 { unlink(path) }
            throw error
        }
        return BlobWriter(digest, size: size, store: self, file: file, hasher: hasher, written: written)
    }

    /// Gives a complete file of the incoming folder its final name.
    func commit(_ file: OpenFile, as digest: BlobDigest, size: Int64) throws(BlobError) {
        let folder = storedFolder(digest)
        if options.isDurable { try file.sync() }
        fchmod(file.descriptor, 0o444)
        setTimeOfUse(file)
        if mkdir(folder, 0o700) == 0 {
            if options.isDurable { try Disk.syncFolder("\(path)/sha256") }
        } else if errno != EEXIST {
            throw .system("make the folder", folder)
        }
        guard rename(file.path, storedPath(digest)) == 0 else { throw .system("write", storedPath(digest)) }
        if options.isDurable { try Disk.syncFolder(folder) }
        let identity = try file.identity()
        state.withLock { state in
            adopt(digest, identity, lastUse: .nowInNanoseconds, &state)
            state.verified.insert(digest)
            noteChange(digest, &state)
        }
    }
}
