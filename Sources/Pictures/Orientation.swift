// SPDX-License-Identifier: Apache-2.0

/// EXIF's eight orientations: how the stored rows and columns have to be turned for display.
enum Orientation: UInt16 {
    case upright = 1
    case mirrored, halfTurn, flipped, transposed, quarterTurn, transverse, threeQuarterTurn

    /// Finds the orientation in a JPEG file's first Exif segment; anything malformed counts as upright.
    init(jpeg bytes: [UInt8]) {
        self = .upright
        guard bytes.count > 4, bytes[0] == 0xFF, bytes[1] == 0xD8 else { return }
        var offset = 2
        while offset + 4 <= bytes.count, bytes[offset] == 0xFF {
            let marker = bytes[offset + 1]
            if marker == 0xFF {
                offset += 1
                continue
            }
            // Start of scan or end of image: no more headers. Markers D0 to D7 and 01 carry no length.
            if marker == 0xDA || marker == 0xD9 { return }
            if (0xD0...0xD7).contains(marker) || marker == 0x01 {
                offset += 2
                continue
            }
            let length = Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3])
            guard length >= 2, length <= bytes.count - offset - 2 else { return }
            let body = bytes[(offset + 4)..<(offset + 2 + length)]
            if marker == 0xE1, body.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) {
                self = Orientation(tiff: Array(body.dropFirst(6)))
                return
            }
            offset += 2 + length
        }
    }

    /// Reads tag 0x0112 of the first directory of a TIFF structure, either byte order.
    private init(tiff: [UInt8]) {
        self = .upright
        let isLittleEndian: Bool
        switch tiff.prefix(4) {
        case [0x49, 0x49, 0x2A, 0]: isLittleEndian = true
        case [0x4D, 0x4D, 0, 0x2A]: isLittleEndian = false
        default: return
        }
        func integer(at offset: Int, bytes: Int) -> Int? {
            guard offset >= 0, bytes <= tiff.count, offset <= tiff.count - bytes else { return nil }
            let field = tiff[offset..<(offset + bytes)]
            return (isLittleEndian ? Array(field.reversed()) : Array(field)).reduce(0) { $0 << 8 | Int($1) }
        }
        guard let directory = integer(at: 4, bytes: 4), let count = integer(at: directory, bytes: 2) else { return }
        for index in 0..<count {
            let entry = directory + 2 + index * 12
            guard let tag = integer(at: entry, bytes: 2), let type = integer(at: entry + 2, bytes: 2),
                let values = integer(at: entry + 4, bytes: 4), let value = integer(at: entry + 8, bytes: 2)
            else { return }
            if tag == 0x0112 {
                let isShort = type == 3 && values == 1
                self = isShort ? Orientation(rawValue: UInt16(value)) ?? .upright : .upright
                return
            }
        }
    }
}

extension Picture {
    /// Turns stored rows and columns into what a viewer shows.
    func oriented(_ orientation: Orientation) -> Picture {
        let (w, h) = (width, height)
        switch orientation {
        case .upright: return self
        case .mirrored: return remapped(width: w, height: h) { x, y in (w - 1 - x, y) }
        case .halfTurn: return remapped(width: w, height: h) { x, y in (w - 1 - x, h - 1 - y) }
        case .flipped: return remapped(width: w, height: h) { x, y in (x, h - 1 - y) }
        case .transposed: return remapped(width: h, height: w) { x, y in (y, x) }
        case .quarterTurn: return remapped(width: h, height: w) { x, y in (y, h - 1 - x) }
        case .transverse: return remapped(width: h, height: w) { x, y in (w - 1 - y, h - 1 - x) }
        case .threeQuarterTurn: return remapped(width: h, height: w) { x, y in (w - 1 - y, x) }
        }
    }
}
