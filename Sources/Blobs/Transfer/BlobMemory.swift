// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The C library's habits with the memory of pieces.
enum BlobMemory {
    /// Makes `malloc` keep the memory of a piece for the next one.
    ///
    /// It gives blocks of a megabyte back to the system as soon as they are free, and the system clears every page of the next one: a tenth of
    /// a transfer's time. Freeing one larger block teaches it to keep up to twice as much (mallopt(3), M_MMAP_THRESHOLD), which is about
    /// what the window of a transfer takes anyway.
    static func keepFreedPieces() { _ = lesson }

    private static let lesson: Int = {
        let block = Data(count: 16 << 20)
        return block.count
    }()
}
