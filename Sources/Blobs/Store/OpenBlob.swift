// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// A blob that can be read.
package struct OpenBlob: Sendable {
    package let digest: BlobDigest
    package let size: Int64
    let file: OpenFile
    /// What a file in its own place has to be still; nil for one that belongs to the store.
    let identity: FileIdentity?

    /// Bytes from `offset` on, as many as there are up to `length`.
    ///
    /// - Throws: `.changed` when it is a file in its own place that somebody wrote to.
    package func read(offset: Int64, length: Int) throws(BlobError) -> Data {
        let wanted = Int(max(0, min(Int64(length), size - offset)))
        let data = try file.read(at: offset, length: wanted)
        // Afterwards: what changed in between is noticed, too.
        if let identity, try file.identity() != identity { throw InPlaceFiles.changed(file.path, identity) }
        guard data.count == wanted else { throw BlobError(.damaged, "\(file.path): the file became shorter while it was read") }
        return data
    }
}
