// SPDX-License-Identifier: Apache-2.0

/// A white sheet to draw on.
struct Canvas {
    struct Ink: Equatable {
        var red: UInt8
        var green: UInt8
        var blue: UInt8
    }

    let width: Int
    let height: Int
    private var pixels: [UInt8]

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        pixels = [UInt8](repeating: 255, count: width * height * 3)
    }

    var picture: Picture { Picture(width: width, height: height, pixels: pixels) }

    /// Copies a picture; what lies outside the canvas is cut off.
    mutating func draw(_ picture: Picture, x left: Int, y top: Int) {
        for y in max(0, -top)..<max(max(0, -top), min(picture.height, height - top)) {
            for x in max(0, -left)..<max(max(0, -left), min(picture.width, width - left)) {
                let (from, to) = ((y * picture.width + x) * 3, ((top + y) * width + left + x) * 3)
                for channel in 0..<3 { pixels[to + channel] = picture.pixels[from + channel] }
            }
        }
    }

    /// Draws a frame of one pixel around a box.
    mutating func frame(x: Int, y: Int, width boxWidth: Int, height boxHeight: Int, _ ink: Ink) {
        for column in (x - 1)...(x + boxWidth) {
            blend(column, y - 1, ink, 1)
            blend(column, y + boxHeight, ink, 1)
        }
        for row in y..<(y + boxHeight) {
            blend(x - 1, row, ink, 1)
            blend(x + boxWidth, row, ink, 1)
        }
    }

    /// Draws one line of text with smooth edges; `y` is the top of its capitals and `capHeight` their height in pixels.
    mutating func draw(_ text: String, x: Double, y: Double, capHeight: Double, weight: Double, _ ink: Ink) {
        let unit = capHeight / StrokeFont.capHeight
        var pen = x
        for character in text {
            let glyph = StrokeFont.outline(character)
            let strokes = glyph.strokes.map { $0.map { StrokeFont.Point(x: pen + $0.x * unit, y: y + $0.y * unit) } }
            draw(strokes, radius: weight / 2, ink)
            pen += (glyph.width + StrokeFont.spacing) * unit
        }
    }

    /// Covers each pixel by how near it lies to the nearest stroke.
    private mutating func draw(_ strokes: [[StrokeFont.Point]], radius: Double, _ ink: Ink) {
        let points = strokes.joined()
        guard let minX = points.map(\.x).min(), let maxX = points.map(\.x).max(), let minY = points.map(\.y).min(),
            let maxY = points.map(\.y).max()
        else { return }
        let reach = radius + 1
        for row in Int((minY - reach).rounded(.down))...Int((maxY + reach).rounded(.up)) {
            for column in Int((minX - reach).rounded(.down))...Int((maxX + reach).rounded(.up)) {
                let center = StrokeFont.Point(x: Double(column) + 0.5, y: Double(row) + 0.5)
                var nearest = Double.infinity
                for stroke in strokes {
                    for index in stroke.indices.dropFirst() {
                        nearest = min(nearest, Canvas.distance(center, stroke[index - 1], stroke[index]))
                    }
                }
                blend(column, row, ink, min(1, max(0, radius + 0.5 - nearest)))
            }
        }
    }

    private static func distance(_ point: StrokeFont.Point, _ a: StrokeFont.Point, _ b: StrokeFont.Point) -> Double {
        let (dx, dy) = (b.x - a.x, b.y - a.y)
        let length = dx * dx + dy * dy
        let along = length == 0 ? 0 : min(1, max(0, ((point.x - a.x) * dx + (point.y - a.y) * dy) / length))
        let (offX, offY) = (point.x - a.x - along * dx, point.y - a.y - along * dy)
        return (offX * offX + offY * offY).squareRoot()
    }

    private mutating func blend(_ x: Int, _ y: Int, _ ink: Ink, _ coverage: Double) {
        guard coverage > 0, x >= 0, x < width, y >= 0, y < height else { return }
        let offset = (y * width + x) * 3
        for (channel, level) in [ink.red, ink.green, ink.blue].enumerated() {
            let old = Double(pixels[offset + channel])
            pixels[offset + channel] = UInt8((old + (Double(level) - old) * coverage).rounded())
        }
    }
}
