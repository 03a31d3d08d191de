// SPDX-License-Identifier: Apache-2.0

/// A small built-in font of strokes, so that text can be drawn at any size without a font file.
///
/// A glyph is a list of strokes separated by spaces. The first character of a stroke says how its points are joined: `-` by straight
/// lines, `~` by an open quadratic B-spline that starts and ends at its outer points, `o` by a closed one. Each point is two hexadecimal
/// digits, x then y. Capitals stand from y = 0 down to the baseline at y = 10; small letters begin at 3 and descend to 13.
enum StrokeFont {
    /// Height of a capital letter, in grid units.
    static let capHeight = 10.0
    /// Room between the ends of neighbouring glyphs, in grid units.
    static let spacing = 3.2
    private static let spaceWidth = 2.5
    private static let unknown = "-00606a0a00"

    struct Point: Equatable {
        var x: Double
        var y: Double
    }

    /// The strokes of one character as polylines in grid units, and its width.
    static func outline(_ character: Character) -> (strokes: [[Point]], width: Double) {
        if character == " " { return ([], spaceWidth) }
        let strokes = (glyphs[character] ?? unknown).split(separator: " ").map(polyline)
        return (strokes, strokes.joined().map(\.x).max() ?? 0)
    }

    /// Width of a line of text, in grid units.
    static func width(_ text: String) -> Double {
        text.map { outline($0).width + spacing }.reduce(0, +) - (text.isEmpty ? 0 : spacing)
    }

    private static func polyline(_ stroke: Substring) -> [Point] {
        let digits = stroke.dropFirst().compactMap(\.hexDigitValue)
        let points = stride(from: 0, to: digits.count - 1, by: 2).map { Point(x: Double(digits[$0]), y: Double(digits[$0 + 1])) }
        switch stroke.first {
        case "~": return spline(points, isClosed: false)
        case "o": return spline(points, isClosed: true)
        default: return points
        }
    }

    /// Flattens a quadratic B-spline: parabolas that touch the control polygon at the middle of each inner edge.
    private static func spline(_ points: [Point], isClosed: Bool) -> [Point] {
        guard points.count > 2 else { return points }
        func middle(_ a: Point, _ b: Point) -> Point { Point(x: (a.x + b.x) / 2, y: (a.y + b.y) / 2) }
        let count = points.count
        let corners = isClosed ? Array(0..<count) : Array(1..<(count - 1))
        var result = [Point]()
        for corner in corners {
            let (before, control, after) = (points[(corner + count - 1) % count], points[corner], points[(corner + 1) % count])
            let start = !isClosed && corner == 1 ? before : middle(before, control)
            let end = !isClosed && corner == count - 2 ? after : middle(control, after)
            for step in (result.isEmpty ? 0 : 1)...8 {
                let t = Double(step) / 8
                let (a, b, c) = ((1 - t) * (1 - t), 2 * t * (1 - t), t * t)
                result.append(Point(x: a * start.x + b * control.x + c * end.x, y: a * start.y + b * control.y + c * end.y))
            }
        }
        return result
    }

    private static let glyphs: [Character: String] = [
        "A": "-0a408a -1777", "B": "-000a ~003060653505 ~0545757a4a0a", "C": "~727000000a0a7a78", "D": "-000a ~0030707a3a0a",
        "E": "-60000a6a -0555", "F": "-60000a -0555", "G": "~7270000a7a75 -7545", "H": "-000a -707a -0575", "I": "-000a",
        "J": "~50565a0a07", "K": "-000a -6006 -246a", "L": "-000a6a", "M": "-0a0047808a", "N": "-0a007a70", "O": "o00808a0a",
        "P": "-0a00 ~004070764606", "Q": "o00808a0a -578b", "R": "-0a00 ~004070754505 -357a", "S": "~72700005757a0a08",
        "T": "-0080 -404a", "U": "~00060a7a7670", "V": "-004a80", "W": "-003a537aa0", "X": "-007a -700a", "Y": "-004580 -454a",
        "Z": "-00700a7a", "a": "o03636a0a -636a", "b": "-000a o03636a0a", "c": "~6563030a6a68", "d": "o03636a0a -606a",
        "e": "-0666 ~6663030a6a68", "f": "~5020242a -0353", "g": "o03636a0a ~636a6d0d0c", "h": "-000a ~060363666a",
        "i": "-0101 -030a", "j": "-3131 ~333a3d0d", "k": "-000a -5306 -255a", "l": "-000a", "m": "-030a ~060353565a ~5653a3a6aa",
        "n": "-030a ~060363666a", "o": "o03636a0a", "p": "-030d o03636a0a", "q": "o03636a0a -636d", "r": "-030a ~06034353",
        "s": "~55530306575a0a08", "t": "~10161a4a -0343", "u": "~03070a6a67 -636a", "v": "-033a63", "w": "-032a446a83",
        "x": "-035a -530a", "y": "-033a -632d", "z": "-03530a5a", "0": "o00606a0a", "1": "-02303a", "2": "~030060650a -0a6a",
        "3": "~0200606525 ~25656a0a08", "4": "-5a500777", "5": "-601005 ~0533646a0a08", "6": "~501007 o04646a0a", "7": "-00602a",
        "8": "o10505515 o05656a0a", "9": "~1a5a63 o00606606", ".": "-0a0a", ",": "-1a0c", ":": "-0505 -0a0a", ";": "-1515 -1a0c",
        "!": "-0007 -0a0a", "?": "~020060643537 -3a3a", "'": "-0003", "\"": "-0003 -3033", "(": "~3003083b", ")": "~0033380b",
        "[": "-30000b3b", "]": "-00303b0b", "{": "~30101505 ~05151b3b", "}": "~00202535 ~35252b0b", "-": "-0646", "_": "-0b6b",
        "+": "-3339 -0666", "=": "-0565 -0868", "*": "-3036 -0264 -0462", "/": "-500b", "\\": "-005b", "|": "-000c",
        "<": "-630669", ">": "-036609", "#": "-301a -705a -0383 -0777", "%": "o00303303 -700a o47777a4a",
        "&": "~7a13105053050a5a76", "@": "~7b0b0090986863 o33636838", "^": "-033063", "~": "~07145865", "`": "-0022",
        "$": "~72700005757a0a08 -404a",
    ]
}
