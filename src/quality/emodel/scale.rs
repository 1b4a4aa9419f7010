//! What tells the three models apart.

use super::super::codec::Model;
use super::g107;

/// One model's scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    model: Model,
    /// R when nothing is wrong.
    pub(super) best: f64,
    /// What Ie,eff goes to.
    pub(super) ceiling: f64,
    /// How much longer it is than the narrowband scale.
    stretch: f64,
}

impl Scale {
    pub(super) fn of(model: Model) -> Self {
        let (best, ceiling, stretch) = match model {
            Model::Narrowband => (g107::RO - g107::IS - g107::delay(0.0), g107::CEILING, 1.0),
            Model::Wideband => (129.0, 95.0, 1.29),
            Model::Fullband => (148.0, 132.0, 1.48),
        };
        Self { model, best, ceiling, stretch }
    }

    /// What `ta` milliseconds cost against none.
    pub(super) fn delay(&self, ta: f64) -> f64 {
        match self.model {
            Model::Narrowband => g107::delay(ta) - g107::delay(0.0),
            Model::Wideband | Model::Fullband => self.stretch * g107::loss_of_interactivity(ta),
        }
    }

    pub(super) fn opinion(&self, r: f64) -> f64 {
        g107::mos(r / self.stretch)
    }
}
