// SPDX-License-Identifier: Apache-2.0

/// Plain prompts that say as little as possible besides the pseudo-word, so that it has to carry what the pictures share.
extension PromptTemplates {
    static let subject = [
        "a photo of a [name]", "a photo of the [name]", "a photo of one [name]", "a picture of a [name]", "a picture of the [name]",
        "an image of a [name]", "a good photo of a [name]", "a bright photo of the [name]", "a dark photo of the [name]",
        "a sharp photo of a [name]", "a soft photo of a [name]", "a close-up photo of a [name]", "a close-up photo of the [name]",
        "a cropped photo of a [name]", "a cropped photo of the [name]", "a wide photo with a [name]", "a detailed picture of a [name]",
        "a simple picture of the [name]", "a rendering of a [name]", "a depiction of a [name]", "a small [name]", "a large [name]",
        "a single [name] in the middle", "the [name] from the side", "the [name] from above",
    ]

    static let style = [
        "a painting in the style of [name]", "a picture in the style of [name]", "a drawing in the style of [name]",
        "an artwork in the style of [name]", "a rendering in the style of [name]", "a sketch in the style of [name]",
        "a bright painting in the style of [name]", "a dark painting in the style of [name]", "a colorful picture in the style of [name]",
        "a detailed painting in the style of [name]", "a simple drawing in the style of [name]",
        "a close-up painting in the style of [name]",
        "a cropped painting in the style of [name]", "a large painting in the style of [name]", "a small picture in the style of [name]",
        "a landscape in the style of [name]", "a portrait in the style of [name]", "a still life in the style of [name]",
        "a scene in the style of [name]",
    ]

    static let subjectCaptions = [
        "a photo of a [name], [filewords]", "a photo of the [name], [filewords]", "a picture of a [name], [filewords]",
        "an image of a [name], [filewords]", "a good photo of a [name], [filewords]", "a bright photo of the [name], [filewords]",
        "a close-up photo of a [name], [filewords]", "a cropped photo of the [name], [filewords]",
        "a detailed picture of a [name], [filewords]", "a rendering of a [name], [filewords]", "a [name], [filewords]",
    ]

    static let styleCaptions = [
        "a painting of [filewords], in the style of [name]", "a picture of [filewords], in the style of [name]",
        "a drawing of [filewords], in the style of [name]", "an artwork of [filewords], in the style of [name]",
        "a rendering of [filewords], in the style of [name]", "a sketch of [filewords], in the style of [name]",
        "a detailed painting of [filewords], in the style of [name]", "a colorful picture of [filewords], in the style of [name]",
        "[filewords], in the style of [name]",
    ]
}
