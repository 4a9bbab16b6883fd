//! What of others is in a namespace, or of a kind, that is to go.

use super::{
    cluster::fault,
    questions::{Answers, Context, gather},
};
use crate::{
    address::ResourceAddress,
    driver::{Fallible, kubernetes::strangers},
    observed::{Holding, HoldingQuestion},
};

impl Context<'_> {
    pub(super) async fn holdings(&self) -> Answers<Holding> {
        gather(&self.questions.holdings, |address, question| self.holding(address, question)).await
    }

    async fn holding(&self, address: &ResourceAddress, question: &HoldingQuestion) -> Fallible<Holding> {
        let cluster = self.cluster(address.cluster()).await?;
        let what = format!("tell what is in {}", address.short());
        strangers(&cluster, address, question).await.map_err(|f| fault(address.cluster(), &what, &f))
    }
}
