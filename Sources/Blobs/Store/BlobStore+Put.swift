// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc

extension BlobStore {
    /// Stores bytes that are in memory, and gives their name.
    ///
    /// - Throws: `.noSpace`, `.storage`.
    @discardableResult
    package func put(_ data: Data) throws(BlobError) -> BlobDigest {
        let digest = BlobDigest(of: data)
        if hasGood(digest) { return digest }
        let file = try newIncomingFile()
        try reserve(Int64(data.count), remaining: Int64(data.count))
        defer { unreserve(Int64(data.count)) }
        do throws(BlobError) {
            try file.write(data, at: 0)
            try commit(file, as: digest, size: Int64(data.count))
        } catch {
            unlink(file.path)
            throw error
        }
        return digest
    }

    /// Copies a file into the store, and gives its name and size.
    ///
    /// - Throws: `.changed` when somebody writes to it meanwhile; `.notFound`, `.noSpace`, `.storage`, `.cancelled`.
    @discardableResult
    package func put(
        file source: URL, isCancelled: () -> Bool = { false }
    ) throws(BlobError) -> (digest: BlobDigest, bytes: Int64) {
        let input = try OpenFile.reading(source.path)
        let identity = try input.identity()
        let file = try newIncomingFile()
        try reserve(identity.size, remaining: identity.size)
        defer { unreserve(identity.size) }
        do throws(BlobError) {
            var hasher = BlobHasher()
            var offset: Int64 = 0
            while true {
                guard !isCancelled() else { throw .cancelled }
                let piece = try input.read(at: offset, length: 1 << 20)
                if piece.isEmpty { break }
                hasher.update(piece)
                try file.write(piece, at: offset)
                offset += Int64(piece.count)
                guard offset <= identity.size else { break }
            }
            guard offset == identity.size, try input.identity() == identity else {
                throw BlobError(.changed, "\(source.path) changed while it was read; try again")
            }
            let digest = hasher.digest
            if hasGood(digest) { unlink(file.path) } else { try commit(file, as: digest, size: identity.size) }
            return (digest, identity.size)
        } catch {
            unlink(file.path)
            throw error
        }
    }

    /// Whether the blob is in the folder and undamaged.
    private func hasGood(_ digest: BlobDigest) -> Bool {
        guard let blob = try? open(digest) else { return false }
        return blob.identity == nil
    }

    /// A file under a name of its own, which is locked and thus not taken for a leftover.
    private func newIncomingFile() throws(BlobError) -> OpenFile {
        let file = try OpenFile.writing("\(path)/incoming/\(UUID().uuidString.lowercased()).new", mustBeNew: true)
        guard file.tryLock() else { throw BlobError(.storage, "cannot lock \(file.path); use a folder on a local disk") }
        return file
    }
}
