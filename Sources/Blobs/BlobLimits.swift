// SPDX-License-Identifier: Apache-2.0

/// The bounds of the blob protocol.
///
/// `proto-docs/BLOBS.md` lists them for other implementations.
package enum BlobLimits {
    package static let magic = Array("PWB2".utf8)
    package static let version = (major: UInt32(2), minor: UInt32(0))
    /// Magic, header, and the bytes of a piece.
    package static let frames = 3
    package static let headerBytes = 4096
    /// No chunk is larger, whatever a welcome says.
    package static let chunkBytes = 4 << 20
    package static let frameBytes = 8 << 20
    package static let textBytes = 2000
    package static let programBytes = 64
    /// No blob is larger, whatever a welcome says.
    package static let blobBytes: Int64 = 1 << 50
}

/// What a peer may do with blobs.
package struct BlobRights: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = BlobRights(rawValue: 1)
    package static let write = BlobRights(rawValue: 2)
    package static let all: BlobRights = [.read, .write]
}
