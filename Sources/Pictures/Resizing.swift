// SPDX-License-Identifier: Apache-2.0

import PortableMath

extension Picture {
    /// Where the part that is kept lies when a picture is cropped, as a fraction of what is cut away on each axis.
    package struct Anchor: Sendable, Equatable {
        package var x: Double
        package var y: Double

        package init(x: Double, y: Double) {
            precondition((0...1).contains(x) && (0...1).contains(y), "an anchor lies in 0...1")
            self.x = x
            self.y = y
        }

        package static let center = Anchor(x: 0.5, y: 0.5)
    }

    /// Resamples to exactly this size with an antialiased Lanczos filter; the aspect ratio changes with it.
    package func resized(width newWidth: Int, height newHeight: Int) -> Picture {
        resampled(x: 0...Double(width), y: 0...Double(height), width: newWidth, height: newHeight)
    }

    /// Scales until the size is covered and crops the rest; never distorts.
    package func resizedAndCropped(width newWidth: Int, height newHeight: Int, anchor: Anchor = .center) -> Picture {
        let scale = min(Double(width) / Double(newWidth), Double(height) / Double(newHeight))
        let (cropWidth, cropHeight) = (Double(newWidth) * scale, Double(newHeight) * scale)
        let left = max(0, (Double(width) - cropWidth) * anchor.x)
        let top = max(0, (Double(height) - cropHeight) * anchor.y)
        return resampled(
            x: left...min(Double(width), left + cropWidth), y: top...min(Double(height), top + cropHeight),
            width: newWidth, height: newHeight)
    }

    /// Scales to fit inside a square of this side; never distorts.
    package func fitted(side: Int) -> Picture {
        let scale = Double(side) / Double(max(width, height))
        return resized(width: max(1, Int((Double(width) * scale).rounded())), height: max(1, Int((Double(height) * scale).rounded())))
    }

    /// Resamples the box of this picture, given in pixels with fractions, to a size.
    private func resampled(x: ClosedRange<Double>, y: ClosedRange<Double>, width newWidth: Int, height newHeight: Int) -> Picture {
        precondition((1...Picture.maximumSide).contains(newWidth) && (1...Picture.maximumSide).contains(newHeight), "size out of range")
        let columns = ResamplingWindows(input: width, from: x.lowerBound, to: x.upperBound, output: newWidth)
        let rows = ResamplingWindows(input: height, from: y.lowerBound, to: y.upperBound, output: newHeight)
        // Only the rows that some output row looks at are worth resampling; each pass rounds to 8 bits, as Pillow's does.
        let narrowed = columns.isIdentity ? pixels : resampledColumns(columns, rows: rows.touched)
        let firstRow = columns.isIdentity ? 0 : rows.touched.lowerBound
        if rows.isIdentity { return Picture(width: newWidth, height: newHeight, pixels: narrowed) }
        return Picture(
            width: newWidth, height: newHeight, pixels: Picture.resampledRows(narrowed, width: newWidth, firstRow: firstRow, rows))
    }

    private func resampledColumns(_ windows: ResamplingWindows, rows: Range<Int>) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(rows.count * windows.starts.count * 3)
        for y in rows {
            for (index, start) in windows.starts.enumerated() {
                var (red, green, blue) = (ResamplingWindows.half, ResamplingWindows.half, ResamplingWindows.half)
                var offset = (y * width + start) * 3
                for weight in windows.weights[windows.range(index)] {
                    red += weight * Int(pixels[offset])
                    green += weight * Int(pixels[offset + 1])
                    blue += weight * Int(pixels[offset + 2])
                    offset += 3
                }
                result.append(ResamplingWindows.level(red))
                result.append(ResamplingWindows.level(green))
                result.append(ResamplingWindows.level(blue))
            }
        }
        return result
    }

    private static func resampledRows(_ pixels: [UInt8], width: Int, firstRow: Int, _ windows: ResamplingWindows) -> [UInt8] {
        let stride = width * 3
        var result = [UInt8]()
        result.reserveCapacity(windows.starts.count * stride)
        var sums = [Int](repeating: 0, count: stride)
        for (index, start) in windows.starts.enumerated() {
            for column in 0..<stride { sums[column] = ResamplingWindows.half }
            var offset = (start - firstRow) * stride
            for weight in windows.weights[windows.range(index)] {
                for column in 0..<stride { sums[column] += weight * Int(pixels[offset + column]) }
                offset += stride
            }
            for sum in sums { result.append(ResamplingWindows.level(sum)) }
        }
        return result
    }
}

/// For each output position of one axis: the input positions it looks at and their fixed-point weights.
///
/// Lanczos with three lobes, stretched by the reduction factor so that every input pixel counts, and cut at the picture's edges.
/// Integer weights make the result the same on every machine.
struct ResamplingWindows {
    private static let fractionBits = 22
    static let half = 1 << (fractionBits - 1)

    private(set) var starts = [Int]()
    private(set) var weights = [Int]()
    private var ends = [Int]()
    /// Whether output and input are the same pixels.
    let isIdentity: Bool

    init(input: Int, from: Double, to: Double, output: Int) {
        let scale = (to - from) / Double(output)
        let stretch = max(scale, 1)
        let support = 3 * stretch
        isIdentity = output == input && from == 0 && to == Double(input)
        for position in 0..<output {
            let center = from + (Double(position) + 0.5) * scale
            let first = min(max(0, Int(center - support + 0.5)), input - 1)
            let end = max(first + 1, min(input, Int(center + support + 0.5)))
            let window = (first..<end).map { ResamplingWindows.lanczos((Double($0) - center + 0.5) / stretch) }
            let sum = window.reduce(0, +)
            starts.append(first)
            weights += window.map { Int(($0 / sum * Double(1 << ResamplingWindows.fractionBits)).rounded()) }
            ends.append(weights.count)
        }
    }

    /// Where the weights of one output position stand in `weights`.
    func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    /// The input positions that any output position looks at.
    var touched: Range<Int> {
        let end = starts.indices.map { starts[$0] + range($0).count }.max() ?? 0
        return (starts.min() ?? 0)..<end
    }

    static func level(_ sum: Int) -> UInt8 {
        let value = sum >> fractionBits
        return value <= 0 ? 0 : value >= 255 ? 255 : UInt8(value)
    }

    private static func lanczos(_ x: Double) -> Double {
        guard abs(x) < 3 else { return 0 }
        guard x != 0 else { return 1 }
        let angle = Double.pi * x
        return PortableMath.sin(angle) / angle * PortableMath.sin(angle / 3) / (angle / 3)
    }
}
