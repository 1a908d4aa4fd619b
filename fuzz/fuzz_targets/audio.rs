//! Encoded audio clips: the header matches the decoded clip, which can be encoded and decoded again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::summary::audio::header::AudioHeader;
use tbx::{Audio, Clip};
use tbx_fuzz::raw_strings;

fuzz_target!(|data: &[u8]| {
    let header = AudioHeader::of(data);
    let Some(clip) = decode(data) else { return };
    let sound = header.sound.expect("a clip that decodes is WAV");
    assert_eq!((sound.sample_rate, sound.channels), (clip.sample_rate(), clip.channels()));
    assert_eq!(sound.frames as usize, clip.frames());
    assert!(clip.samples().len() <= data.len());
    // Clips that cannot be written: no samples, no channels, no rate.
    if let Ok(same) = Clip::interleaved(clip.samples(), clip.channels(), clip.sample_rate()) {
        let wav = same.to_wav();
        assert_eq!(AudioHeader::of(&wav).damage, None);
        assert_eq!(decode(&wav), Some(clip), "what was written can be read");
    }
});

fn decode(wav: &[u8]) -> Option<Clip> {
    let audio = Audio::read(&raw_strings(&[wav])).expect("strings");
    audio.decode().ok()?.pop()
}
