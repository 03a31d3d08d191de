// SPDX-License-Identifier: Apache-2.0

/// Pictures in rows and columns with headings, for before-and-after comparisons.
package struct ContactSheet: Sendable {
    package struct Row: Sendable {
        package var label: String
        package var pictures: [Picture]

        package init(label: String = "", pictures: [Picture]) {
            self.label = label
            self.pictures = pictures
        }
    }

    /// One line above everything; empty for none.
    package var title: String
    /// One heading a column; missing ones stay empty, and a line feed starts a new line, in labels too.
    package var columns: [String]
    package var rows: [Row]
    /// Side of a picture's cell in pixels; smaller pictures are enlarged smoothly, larger ones reduced, none distorted.
    package var tile: Int

    package init(title: String = "", columns: [String] = [], rows: [Row], tile: Int = 192) {
        self.title = title
        self.columns = columns
        self.rows = rows
        self.tile = tile
    }

    private static let margin = 28
    private static let gap = 12
    private static let text = Style(capHeight: 11, weight: 1.55, ink: Canvas.Ink(red: 51, green: 56, blue: 64))
    private static let heading = Style(capHeight: 15, weight: 2.2, ink: Canvas.Ink(red: 28, green: 31, blue: 36))
    private static let hairline = Canvas.Ink(red: 222, green: 225, blue: 229)

    private struct Style {
        let capHeight: Double
        let weight: Double
        let ink: Canvas.Ink

        var lineHeight: Double { (capHeight * 1.9).rounded() }

        func width(_ line: String) -> Double { StrokeFont.width(line) * capHeight / StrokeFont.capHeight }
    }

    /// Draws the sheet: dark text on white.
    package func rendered() -> Picture {
        precondition(tile > 0 && rows.contains { !$0.pictures.isEmpty }, "a contact sheet has at least one picture")
        let (style, margin, gap) = (ContactSheet.text, ContactSheet.margin, ContactSheet.gap)
        let columnCount = rows.map(\.pictures.count).max() ?? 0
        let headings = (0..<columnCount).map { $0 < columns.count ? ContactSheet.lines(columns[$0]) : [] }
        let widths = headings.map { max(tile, Int(($0.map(style.width).max() ?? 0).rounded(.up))) }
        let cells = rows.map { $0.pictures.map { $0.fitted(side: tile) } }
        let heights = cells.map { $0.map(\.height).max() ?? 0 }
        let labels = rows.map { ContactSheet.lines($0.label) }
        let labelWidth = Int((labels.joined().map(style.width).max() ?? 0).rounded(.up))
        let left = margin + (labelWidth > 0 ? labelWidth + gap * 2 : 0)
        let titleHeight = title.isEmpty ? 0 : Int(ContactSheet.heading.lineHeight) + gap
        let headingHeight = Int(Double(headings.map(\.count).max() ?? 0) * style.lineHeight)
        let labelHeights = labels.map { Int(Double($0.count) * style.lineHeight) }
        let rowHeights = zip(heights, labelHeights).map(max)
        let tableWidth = left + widths.reduce(0, +) + gap * (columnCount - 1) + margin
        let titleWidth = Int(ContactSheet.heading.width(title).rounded(.up)) + margin * 2
        var canvas = Canvas(
            width: max(tableWidth, titleWidth),
            height: margin * 2 + titleHeight + headingHeight + rowHeights.reduce(0, +) + gap * (rows.count - 1))

        ContactSheet.draw([title], ContactSheet.heading, on: &canvas, x: Double(margin), y: Double(margin))
        var x = left
        for (column, lines) in headings.enumerated() {
            let first = Double(margin + titleHeight + headingHeight) - Double(lines.count) * style.lineHeight
            ContactSheet.draw(lines, style, on: &canvas, x: Double(x), y: first, centeredIn: Double(widths[column]))
            x += widths[column] + gap
        }
        var y = margin + titleHeight + headingHeight
        for (row, pictures) in cells.enumerated() {
            // The last line's spacing is below its letters, where centring must not count it.
            let labelY = Double(y) + (Double(rowHeights[row] - labelHeights[row]) + style.lineHeight - style.capHeight) / 2
            ContactSheet.draw(labels[row], style, on: &canvas, x: Double(margin), y: labelY)
            x = left
            for (column, picture) in pictures.enumerated() {
                let (pictureX, pictureY) = (x + (widths[column] - picture.width) / 2, y + (rowHeights[row] - picture.height) / 2)
                canvas.draw(picture, x: pictureX, y: pictureY)
                canvas.frame(x: pictureX, y: pictureY, width: picture.width, height: picture.height, ContactSheet.hairline)
                x += widths[column] + gap
            }
            y += rowHeights[row] + gap
        }
        return canvas.picture
    }

    private static func lines(_ text: String) -> [String] {
        text.isEmpty ? [] : text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private static func draw(
        _ lines: [String], _ style: Style, on canvas: inout Canvas, x: Double, y: Double, centeredIn width: Double? = nil
    ) {
        for (index, line) in lines.enumerated() {
            let indent = width.map { (($0 - style.width(line)) / 2).rounded() } ?? 0
            canvas.draw(
                line, x: x + indent, y: y + Double(index) * style.lineHeight, capHeight: style.capHeight, weight: style.weight, style.ink)
        }
    }
}

extension Picture {
    /// A contact sheet of these pictures with column headings and row labels.
    package static func grid(rows: [[Picture]], columns: [String] = [], labels: [String] = [], tile: Int = 192) -> Picture {
        let labelled = rows.enumerated().map { ContactSheet.Row(label: $0 < labels.count ? labels[$0] : "", pictures: $1) }
        return ContactSheet(columns: columns, rows: labelled, tile: tile).rendered()
    }
}
