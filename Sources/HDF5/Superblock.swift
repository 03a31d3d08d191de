// SPDX-License-Identifier: Apache-2.0

/// The first 48 bytes of an HDF5 file in the format of 1.10, of which one field needs repair.
///
/// While a file is open for writing, its superblock says so. In an image, HDF5 clears that mark but keeps the checksum that
/// covers it, so that it would refuse its own image (seen in 1.10.8). A release that does better gets the same bytes again.
enum Superblock {
    /// The superblock of the format of 1.10, the first in which all of HDF5's own structures carry checksums.
    static let oldestChecksummedVersion: UInt8 = 3
    private static let checksumOffset = 44

    /// Writes the checksum that belongs to the other fields.
    static func correctChecksum(in image: inout [UInt8]) {
        // Version 3 with addresses and lengths of 8 bytes: what these settings of HDF5 always make.
        guard image.count >= checksumOffset + 4, image[8] == 3, image[9] == 8, image[10] == 8 else { return }
        let words = (0..<(checksumOffset / 4)).map { word in
            image[(word * 4)..<(word * 4 + 4)].reversed().reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        }
        let checksum = lookup3(words)
        for byte in 0..<4 { image[checksumOffset + byte] = UInt8(truncatingIfNeeded: checksum >> (8 * byte)) }
    }

    /// Bob Jenkins' `lookup3` hash of little-endian words, which the HDF5 file format specification names for its metadata.
    static func lookup3(_ words: [UInt32]) -> UInt32 {
        var a = 0xDEAD_BEEF &+ UInt32(truncatingIfNeeded: words.count * 4)
        var b = a
        var c = a
        var rest = words[...]
        while rest.count > 3 {
            a &+= rest.removeFirst()
            b &+= rest.removeFirst()
            c &+= rest.removeFirst()
            a = (a &- c) ^ rotated(c, 4)
            c &+= b
            b = (b &- a) ^ rotated(a, 6)
            a &+= c
            c = (c &- b) ^ rotated(b, 8)
            b &+= a
            a = (a &- c) ^ rotated(c, 16)
            c &+= b
            b = (b &- a) ^ rotated(a, 19)
            a &+= c
            c = (c &- b) ^ rotated(b, 4)
            b &+= a
        }
        if rest.isEmpty { return c }
        a &+= rest.popFirst() ?? 0
        b &+= rest.popFirst() ?? 0
        c &+= rest.popFirst() ?? 0
        c = (c ^ b) &- rotated(b, 14)
        a = (a ^ c) &- rotated(c, 11)
        b = (b ^ a) &- rotated(a, 25)
        c = (c ^ b) &- rotated(b, 16)
        a = (a ^ c) &- rotated(c, 4)
        b = (b ^ a) &- rotated(a, 14)
        return (c ^ b) &- rotated(b, 24)
    }

    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
}
